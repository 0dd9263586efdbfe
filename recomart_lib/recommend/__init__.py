"""Stage 08: the top k recommendations for every user, with reasons."""
