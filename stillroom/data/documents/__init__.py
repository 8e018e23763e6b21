"""Documents of many formats as text whose every stretch can be traced to its place, and as chunks of it."""
