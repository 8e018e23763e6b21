"""Stillroom: one recipe in, one small specialist out."""

__version__ = "0.1.0"
