"""Fine-tune on the gold answers."""
