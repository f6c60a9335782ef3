"""Tables 1 to 5 of the NPR paper beside a system's own numbers."""
