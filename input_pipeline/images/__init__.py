"""One image on the host: decode, transform, degrade, and what its file says of itself."""
