"""Register the model that passed."""
