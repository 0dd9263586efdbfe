"""Ranking and rating metrics, and their intervals and tests."""
