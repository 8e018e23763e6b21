"""Labels that people look at: a sheet goes out, comes back, is checked and merged."""
