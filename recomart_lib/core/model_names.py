"""What people call a model: a plain name and one line, beside the technical name. Imports nothing heavy."""

from __future__ import annotations

# Technical name -> (plain name, what it does, in one line).
MODEL_NAMES = {
    "random": ("Random products", "drawn at random: the floor"),
    "popularity": ("Bestsellers", "what most users chose, ever"),
    "recent_popularity": ("Recent bestsellers", "what most users chose lately"),
    "segment_popularity": ("Bestsellers of the segment", "what most users of the same segment chose"),
    "own_history": ("Bought before", "what the user chose before, the most often chosen first"),
    "own_history_decayed": ("Bought before, newest first", "what the user chose before, the newest counting most"),
    "repurchase": ("Repurchase model", "which earlier products the user will choose again, learned from features"),
    "content": ("Similar products", "what resembles the user's products in name, category, brand and price"),
    "item_knn": ("Bought together", "what other users chose together with the user's products"),
    "user_knn": ("Similar users", "what the user and the most similar users chose"),
    "ease": ("Linear item model (EASE)", "what is chosen with the user's products, each adjusted for the others"),
    "basket": ("Same order", "what was lately ordered together with the user's products"),
    "als": ("Matrix factorisation (ALS)", "products whose learned factors fit the user's, for squared error"),
    "ials": ("Matrix factorisation (iALS++)", "the same, with a regularisation that grows with the history"),
    "bpr": ("Matrix factorisation (BPR)", "products whose learned factors fit the user's, for pairwise order"),
    "blend": ("Blend of three", "the sum of three scores: matrix factorisation, EASE and what was chosen before"),
    "two_stage": ("Two-step ranker", "simple models propose products, boosted trees put them in order"),
    "svd": ("Rating model (SVD)", "products with the highest predicted stars"),
    "svdpp": ("Rating model (SVD++)", "the same; it also uses which products were rated"),
}
# The baselines that need no training: what a shop could show without a recommender.
SIMPLE = ("popularity", "recent_popularity", "segment_popularity", "own_history", "own_history_decayed")


def plain(model: str) -> str:
    """The model's plain name; an unknown model keeps its own.

    >>> plain("two_stage"), plain("my_model")
    ('Two-step ranker', 'my_model')
    """
    return MODEL_NAMES[model][0] if model in MODEL_NAMES else model


def named(model: str) -> str:
    """The plain name with the technical one, for Markdown.

    >>> named("two_stage")
    'Two-step ranker (`two_stage`)'
    """
    return f"{plain(model)} (`{model}`)" if model in MODEL_NAMES else f"`{model}`"


def line(model: str) -> str:
    """What the model does, in one line; empty for an unknown model."""
    return MODEL_NAMES[model][1] if model in MODEL_NAMES else ""
