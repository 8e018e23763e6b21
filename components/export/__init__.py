"""Make the GGUF files."""
