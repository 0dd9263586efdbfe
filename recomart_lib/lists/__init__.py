"""The shop's rules, applied to finished lists (docs/lists.md). They change neither a model nor its scores."""
