"""What several stages need of the stream: the streaming zone, its compaction, latencies."""
