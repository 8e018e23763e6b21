"""Pairs of a right and a wrong answer, for preference training."""
