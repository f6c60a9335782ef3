"""One file per system of the field; registry lists them."""
