"""Small decoders that reconstruct photographs as image generators would have drawn them."""
