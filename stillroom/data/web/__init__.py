"""Pages of the web, fetched as a polite visitor does."""
