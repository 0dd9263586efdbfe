"""Stage 07: metrics with intervals, comparisons, the target card, diagnostics."""
