"""What a network sees of an image: residuals, colour spaces, front ends."""
