"""The simulated shop: writes the files that a shop would deliver, and can serve them through a REST API."""
