"""Scores with intervals, comparisons, the choice of a format, and the gates."""
