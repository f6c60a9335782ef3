"""Many runs of one experiment: a grid of settings times seeds, and one table of all results."""
