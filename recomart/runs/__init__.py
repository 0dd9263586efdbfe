"""Past runs: an archive in data/runs, and the comparison of two of them."""
