"""Read, clean and split the examples."""
