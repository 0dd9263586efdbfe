"""Stage 07: metrics with intervals, model comparison, target card and diagnostics."""
