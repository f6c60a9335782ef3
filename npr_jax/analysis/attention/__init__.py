"""What the attention weights over the scales say, as tests, figures and files."""
