"""Stage 03: descriptive figures of the shop."""
