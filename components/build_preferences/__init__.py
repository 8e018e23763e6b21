"""Pair gold answers with broken ones."""
