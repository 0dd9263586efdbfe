"""Stage 01: read what was delivered, and write it to the lake (data/raw)."""
