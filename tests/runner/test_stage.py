"""Names of stages on the command line."""

from __future__ import annotations

import pytest

from recomart.runner import stage
from recomart_lib.core.errors import UserError


@pytest.mark.parametrize("name", stage.STAGES)
def test_a_stage_has_a_name_a_number_and_a_word(name):
    number, word = name.split("_", 1)
    assert {stage.resolve(text) for text in (name, number, word)} == {name}


def test_the_last_stage_has_two_words():
    assert stage.resolve("stream") == stage.resolve("stream_report") == "09_stream"


def test_no_two_stages_share_a_word():
    words = [word for name, section in stage.STAGES.items() for word in {name, *name.split("_", 1), section}]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("validte", "Did you mean '02_validate'?"),
        ("5_features", "Did you mean '05_features'?"),
        ("0", "Known: 01_ingest, "),
        ("", "Known: 01_ingest, "),
        ("2_", "Known: 01_ingest, "),
    ],
)
def test_an_unknown_stage_gets_a_suggestion(word, suggestion):
    with pytest.raises(UserError, match="There is no stage") as error:
        stage.resolve(word)
    assert suggestion in str(error.value)
