"""The simulated shop: it writes the files that a shop would deliver, and can serve them as a REST API."""
