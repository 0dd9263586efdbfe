"""The search: from the defaults up, the same in every run, and the same if somebody stops it."""

from __future__ import annotations

import sqlite3
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.train import optuna_search, search_space
from recomart_lib.train.optuna_search import Search, Trial

WIDE = {"reg": {"low": 20, "high": 2000, "log": True}, "signal": ["relevant", "seen"]}


class Judge:
    """A made-up truth with its best at reg = 700 and signal = seen; it remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __call__(self, params: dict[str, Any]) -> dict[str, float | None]:
        self.asked.append(params)
        good = 1 / (1 + abs(params.get("reg", 200) - 700) / 100)
        return {"all": good + 0.1 * (params.get("signal") == "seen"), "novel": 1 - good}


def search(
    declared: dict[str, Any] = WIDE, model: str = "ease", seed: int = 42, goal: str = "all", **kept: Any
) -> Search:
    return Search(model, search_space.parse(model, declared), seed, goal, **kept)


def made(file: Path, n_trials: int = 8, asked: Search | None = None, judge: Judge | None = None) -> list[Trial]:
    return list(optuna_search.trials(asked or search(), n_trials, file, judge or Judge()))


def test_the_defaults_come_first_so_the_best_is_never_worse(tmp_path):
    found = made(tmp_path / "study.db")
    assert [trial.number for trial in found] == list(range(8))
    assert found[0].params == {"reg": 200.0, "signal": "relevant"}
    assert max(trial.value for trial in found) >= Judge()(found[0].params)["all"]
    assert all(20 <= trial.params["reg"] <= 2000 for trial in found)
    assert [trial.value for trial in found] == [Judge()(trial.params)["all"] for trial in found]


def test_the_sampler_learns(tmp_path):
    found = made(tmp_path / "study.db", 30)
    late = [trial.value for trial in found[20:]]
    early = [trial.value for trial in found[: optuna_search.N_RANDOM]]
    assert sum(late) / len(late) > sum(early) / len(early)


def test_equal_searches_leave_equal_bytes_and_other_seeds_other_trials(tmp_path):
    one, two = made(tmp_path / "1.db"), made(tmp_path / "2.db")
    assert one == two
    assert (tmp_path / "1.db").read_bytes() == (tmp_path / "2.db").read_bytes()
    assert made(tmp_path / "3.db", asked=search(seed=43)) != one


@pytest.mark.parametrize("stopped_after", range(1, 8))
def test_a_stopped_search_goes_on_as_if_nobody_had_stopped_it(tmp_path, stopped_after):
    whole = made(tmp_path / "whole.db")
    list(islice(optuna_search.trials(search(), 8, tmp_path / "parts.db", Judge()), stopped_after))
    judge = Judge()
    assert made(tmp_path / "parts.db", judge=judge) == whole
    assert len(judge.asked) == 8 - stopped_after


def test_a_run_that_dies_within_a_trial_leaves_nothing_of_it(tmp_path):
    def dies(params: dict[str, Any]) -> dict[str, float | None]:
        if params["reg"] != 200:
            raise KeyboardInterrupt
        return Judge()(params)

    with pytest.raises(KeyboardInterrupt):
        list(optuna_search.trials(search(), 8, tmp_path / "study.db", dies))
    assert made(tmp_path / "study.db") == made(tmp_path / "whole.db")


def test_finished_searches_cost_nothing_and_stay_as_they_are(tmp_path):
    whole = made(tmp_path / "study.db")
    before, judge = (tmp_path / "study.db").read_bytes(), Judge()
    assert made(tmp_path / "study.db", judge=judge) == whole
    assert made(tmp_path / "study.db", 3, judge=judge) == whole[:3]  # what a fresh run of three trials would find
    assert not judge.asked
    assert (tmp_path / "study.db").read_bytes() == before


def test_more_trials_go_on_from_those_that_are_there(tmp_path):
    made(tmp_path / "study.db", 3)
    judge = Judge()
    assert made(tmp_path / "study.db", 8, judge=judge) == made(tmp_path / "whole.db")
    assert len(judge.asked) == 5


@pytest.mark.parametrize(
    "other",
    [
        search({**WIDE, "reg": {"low": 20, "high": 2001, "log": True}}),
        search({**WIDE, "max_items": 9}),
        search(seed=1),
        search(goal="mean"),
        search(facts=("other data",)),
    ],
)
def test_another_space_seed_goal_or_data_is_another_study(tmp_path, other):
    made(tmp_path / "study.db", 2)
    judge = Judge()
    made(tmp_path / "study.db", 2, other, judge)
    assert other.name != search().name
    assert len(judge.asked) == 2


@pytest.mark.parametrize(("declared", "wanted"), [({}, [{}]), ({"reg": 9}, [{}]), ({"reg": [9]}, [{"reg": 9}])])
def test_a_model_without_alternatives_is_fitted_once(tmp_path, declared, wanted):
    judge = Judge()
    assert len(made(tmp_path / "study.db", 8, search(declared), judge)) == 1
    assert judge.asked == wanted


def test_a_small_space_is_walked_through_each_combination_once(tmp_path):
    judge, small = Judge(), search({"reg": [10, 200, 700], "signal": ["relevant", "seen"]})
    found = made(tmp_path / "study.db", 50, small, judge)
    assert len(found) == len({str(params) for params in judge.asked}) == 6
    assert max(found, key=lambda trial: trial.value).params == {"reg": 700, "signal": "seen"}


def test_what_was_tried_is_not_fitted_again(tmp_path):
    judge = Judge()
    narrow = search({"reg": {"low": 100, "high": 1400, "step": 100}})  # 14 combinations: the sampler comes back to some
    found = made(tmp_path / "study.db", 14, narrow, judge)
    assert len(found) == 14
    assert len(judge.asked) == len({trial.params["reg"] for trial in found}) < 14


@pytest.mark.parametrize(
    ("goal", "values"), [("all", [None, 0.5]), ("novel", [0.2, 0.4]), ("mean", [0.2, 0.45])], ids=lambda one: str(one)
)
def test_the_goal_says_which_score_counts_and_unknown_ones_do_not(tmp_path, goal, values):
    scores = iter([{"all": None, "novel": 0.2}, {"all": 0.5, "novel": 0.4}])
    asked = search({"signal": ["relevant", "seen"]}, goal=goal)
    found = list(optuna_search.trials(asked, 2, tmp_path / "study.db", lambda params: next(scores)))
    assert [trial.value for trial in found] == pytest.approx(values)


def test_where_nobody_can_be_judged_all_trials_are_null(tmp_path):
    found = list(optuna_search.trials(search(), 3, tmp_path / "study.db", lambda params: {"all": None, "novel": None}))
    assert [trial.value for trial in found] == [None, None, None]
    assert optuna_search.importance(search().space, found) is None


def test_the_hyper_parameter_that_decides_is_the_important_one():
    space = search().space
    found = [
        Trial(n, {"reg": 20.0 + 7 * n, "signal": ["relevant", "seen"][n % 2]}, float(n % 2), {}) for n in range(20)
    ]
    shares = optuna_search.importance(space, found)
    assert next(iter(shares)) == "signal"
    assert sum(shares.values()) == pytest.approx(1)
    assert optuna_search.importance(space, found[: optuna_search.MIN_TRIALS - 1]) is None
    assert optuna_search.importance(search({"reg": WIDE["reg"]}).space, found) is None


@pytest.mark.parametrize("content", [b"no database, but long enough to be taken for one" * 40, "another version"])
def test_a_file_that_holds_no_studies_is_told(tmp_path, content):
    file = tmp_path / "study.db"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        made(file, 1)
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'v99'")
        connection.close()
    with pytest.raises(UserError, match=r"study\.db holds no studies .*Remove the file"):
        made(file, 1)
