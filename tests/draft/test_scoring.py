"""Differences between a drafted shop file and the right one are counted."""

from __future__ import annotations

import pytest
from draft import scoring
from draft.answers import Answer

ORDERS = """when,who,what,n,price,mail
2025-01-01 10:00:00,u1,a,1,2.5,u1@x.example
2025-01-02 10:00:00,u2,b,2,3.5,u2@x.example
"""
RIGHT = {"kind": "csv", "path": "orders.csv", "event_type": "purchase"}
RIGHT |= {"columns": {"user_id": "who", "item_id": "what", "timestamp": "when", "quantity": "n", "price": "price"}}


@pytest.fixture
def score(tmp_path):
    """score(change) of the shop file of ORDERS, whose text was changed."""

    def of(old: str, new: str) -> scoring.Score:
        source = tmp_path / "source"
        source.mkdir()
        (source / "orders.csv").write_text(ORDERS)
        answer = Answer({"events": RIGHT}, private=(("events", "mail"),), keys={"currency": "EUR", "time_zone": "UTC"})
        path = answer.write(tmp_path / "right.yaml")
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        return scoring.compare(path, source, answer)

    return of


def test_a_wrong_required_column_fails(score):
    result = score("user_id: who", "user_id: mail")
    assert (result.right, result.wrong, result.required_wrong) == (4, 1, 1)
    assert result.failures == [
        "events.user_id is mail, not who, without a mark",
        "events.user_id is mail: personal data",
    ]


def test_a_mark_makes_it_a_question(score):
    result = score("item_id: what", "item_id: price  # ? or what")
    assert (result.wrong, result.marked, result.failures) == (1, 1, [])


def test_a_missing_column_may_be_a_question(score):
    result = score("      price: price\n", "      # price: price  # ? or the total of a line\n")
    assert (result.missing, result.marked, result.failures) == (1, 1, [])


def test_a_wrong_type_of_event_fails(score):
    assert score("event_type: purchase", "event_type: view").required_wrong == 1


def test_a_marked_type_of_event_does_not(score):
    result = score("event_type: purchase", "event_type: view  # ? or purchase")
    assert (result.formats_marked, result.failures) == (1, [])


def test_wrong_currencies_fail_without_a_mark(score):
    assert score("currency: EUR", "currency: USD").failures == ["currency is USD, not EUR, without a mark"]


def test_a_table_of_other_files_is_not_found(score):
    result = score("path: orders.csv", "path: '*'")
    assert (result.tables_right, result.n_tables) == (1, 1)
