"""One training run: the loop, its state, and how it resumes."""
