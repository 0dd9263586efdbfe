"""Shared by all stages: tables and their schemas, paths, shop files, settings, text and plots."""
