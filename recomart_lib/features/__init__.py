"""Features as of a moment: definitions next to the functions that compute them."""
