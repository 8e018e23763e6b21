"""Measure every GGUF file on this CPU."""
