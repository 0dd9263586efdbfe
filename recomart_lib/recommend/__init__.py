"""Stage 08: the top k of every user, with reasons."""
