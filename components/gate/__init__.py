"""Decide whether the model is good enough."""
