"""Stage 03: what the shop looks like."""
