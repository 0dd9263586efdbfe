"""Stage 09: the last streaming session, its latency and its dead letters."""
