"""HTML pages that summarise a run: the index, the model card, what changed since the previous run."""
