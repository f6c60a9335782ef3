"""The HTTP server: the same detector behind an API and a page."""
