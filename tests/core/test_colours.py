"""Colours carry meaning: they stand out from the background of light and dark pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recomart_lib.core.colours import ACCENT, ALARM, GREY, MODEL_COLOURS, SPARE_COLOURS, THEMED, contrast

STYLE = Path(__file__).resolve().parents[2] / "recomart" / "reports" / "templates" / "style.css"
PAPERS = re.findall(r"--paper: (#[0-9a-fA-F]+)", STYLE.read_text())  # light, then dark


@pytest.mark.parametrize("colour", [*MODEL_COLOURS.values(), *SPARE_COLOURS, ACCENT, ALARM, GREY])
def test_marks_have_enough_contrast_in_both_themes(colour):
    assert len(PAPERS) == 2
    for paper in PAPERS:
        full = paper if len(paper) == 7 else "#" + "".join(2 * digit for digit in paper[1:])
        assert contrast(colour, full) >= 3


def test_models_have_different_colours():
    assert len({*MODEL_COLOURS.values(), *SPARE_COLOURS}) == len(MODEL_COLOURS) + len(SPARE_COLOURS)


def test_the_variables_of_the_theme_exist_in_both_themes():
    for variable in set(THEMED.values()):
        assert len(re.findall(rf"{variable}: ", STYLE.read_text())) == 2
