"""Stage 04: clean tables, and the split by global time."""
