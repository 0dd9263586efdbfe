"""One fixed colour per model, the same in every figure and on the index page. Imports nothing heavy."""

from __future__ import annotations

import zlib

# Palettes of Okabe and Ito, then of Paul Tol: safe for colour-blind readers, and dark enough on white.
MODEL_COLOURS = {
    "random": "#999999",
    "popularity": "#56B4E9",
    "recent_popularity": "#0072B2",
    "segment_popularity": "#44AA99",
    "own_history": "#E69F00",
    "own_history_decayed": "#D55E00",
    "repurchase": "#117733",
    "content": "#999933",
    "item_knn": "#009E73",
    "user_knn": "#AA7744",
    "ease": "#CC79A7",
    "basket": "#DDCC77",
    "als": "#332288",
    "ials": "#6699CC",
    "bpr": "#AA4499",
    "blend": "#000000",
    "two_stage": "#E41A1C",
    "svd": "#882255",
    "svdpp": "#661100",
}
SPARE_COLOURS = ("#DDAA33", "#AA4466", "#888888")


def colour(model: str) -> str:
    """The model's colour as `#RRGGBB`; an unknown name always gets the same spare colour.

    >>> colour("ease"), colour("my_model") == colour("my_model")
    ('#CC79A7', True)
    """
    # crc32, because Python's hash() differs from run to run
    return MODEL_COLOURS.get(model, SPARE_COLOURS[zlib.crc32(model.encode()) % len(SPARE_COLOURS)])
