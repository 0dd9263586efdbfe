"""Stage 09: the last streaming session, its latencies and dead letters."""
