"""From a trained adapter to measured GGUF files."""
