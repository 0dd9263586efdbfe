"""The Kafka service: producer, consumer, dead letters, an embedded broker for demos and tests."""
