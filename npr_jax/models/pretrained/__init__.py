"""Published PyTorch weights, read without executing a pickle."""
