"""One fixed colour per model, the same in every figure and on the index page. Imports nothing heavy."""

from __future__ import annotations

import zlib

# The palettes of Okabe and Ito, then of Paul Tol, each lighter or darker, for a contrast of at least 3:1 on white
# and on dark pages: one colour per model, whichever theme a reader uses.
MODEL_COLOURS = {
    "random": "#8A8A8A",
    "popularity": "#1D99DF",
    "recent_popularity": "#E41A1C",
    "segment_popularity": "#40A090",
    "own_history": "#C18600",
    "own_history_decayed": "#D55E00",
    "repurchase": "#127E36",
    "content": "#949431",
    "item_knn": "#009E73",
    "user_knn": "#AA7744",
    "ease": "#CB76A5",
    "basket": "#A49029",
    "als": "#6E59D6",
    "ials": "#6095CA",
    "bpr": "#AB459A",
    "blend": "#0E7F8C",
    "two_stage": "#0072B2",
    "svd": "#C3317A",
    "svdpp": "#A85540",
}
SPARE_COLOURS = ("#B88A1F", "#B3476B", "#808080")
# Of all figures: text, secondary text, grid, background; what a figure is about, what it is not about, what is wrong.
INK, SOFT, LINE, PAPER = "#1f2933", "#52606d", "#cccccc", "#ffffff"
ACCENT, GREY, ALARM = "#2b739c", "#7b8794", "#d71423"
# What follows the theme of a page: the page's style has these variables, for light and for dark.
THEMED = {INK: "--ink", "#262626": "--ink", "#000000": "--ink", SOFT: "--soft", LINE: "--grid", PAPER: "--paper"}


def colour(model: str) -> str:
    """The model's colour as `#RRGGBB`; an unknown name always gets the same spare colour.

    >>> colour("ease"), colour("my_model") == colour("my_model")
    ('#CB76A5', True)
    """
    # crc32, because Python's hash() differs from run to run
    return MODEL_COLOURS.get(model, SPARE_COLOURS[zlib.crc32(model.encode()) % len(SPARE_COLOURS)])


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG: 1 (the same) to 21 (black on white).

    >>> round(contrast("#000000", "#FFFFFF"))
    21
    """
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(hex_colour: str) -> float:
    parts = [int(hex_colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
