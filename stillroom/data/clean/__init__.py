"""The steps of cleaning, a small file each. Most of them are one function from a row to a row, or to why it is none."""
