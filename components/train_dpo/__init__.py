"""Train on the preference pairs."""
