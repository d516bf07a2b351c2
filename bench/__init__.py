"""What `make bench` runs: ours beside the floor or the plain way, in one run, a file per table."""
