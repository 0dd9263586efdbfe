"""The streaming zone, its compaction and latencies, as several stages use them."""
