"""The search: starts with the defaults, is reproducible, and resumes after an interruption."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.train import optuna_search, search_space
from recomart_lib.train.optuna_search import Search, Trial

WIDE = {"reg": {"low": 20, "high": 2000, "log": True}, "signal": ["relevant", "seen"]}


class Objective:
    """An artificial objective with its best at reg = 700 and signal = seen; it records its calls."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, params: dict[str, Any]) -> dict[str, float | None]:
        self.calls.append(params)
        good = 1 / (1 + abs(params.get("reg", 200) - 700) / 100)
        return {"all": good + 0.1 * (params.get("signal") == "seen"), "novel": 1 - good}


def search(
    declared: dict[str, Any] = WIDE, model: str = "ease", seed: int = 42, goal: str = "all", **options: Any
) -> Search:
    return Search(model, search_space.parse(model, declared), seed, goal, **options)


def run(file: Path, n_trials: int = 8, study: Search | None = None, objective: Objective | None = None) -> list[Trial]:
    return list(optuna_search.trials(study or search(), n_trials, file, objective or Objective()))


def test_the_defaults_come_first_so_the_best_is_never_worse(tmp_path):
    trials = run(tmp_path / "study.json")
    assert [trial.number for trial in trials] == list(range(8))
    assert trials[0].params == {"reg": 200.0, "signal": "relevant"}
    assert max(trial.value for trial in trials) >= Objective()(trials[0].params)["all"]
    assert all(20 <= trial.params["reg"] <= 2000 for trial in trials)
    assert [trial.value for trial in trials] == [Objective()(trial.params)["all"] for trial in trials]


def test_the_sampler_learns(tmp_path):
    trials = run(tmp_path / "study.json", 30)
    late = [trial.value for trial in trials[20:]]
    early = [trial.value for trial in trials[: optuna_search.N_RANDOM]]
    assert sum(late) / len(late) > sum(early) / len(early)


def test_equal_searches_leave_equal_bytes_and_other_seeds_other_trials(tmp_path):
    first, second = run(tmp_path / "1.json"), run(tmp_path / "2.json")
    assert first == second
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    assert run(tmp_path / "3.json", study=search(seed=43)) != first


def test_a_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "Projekte [2026] #1 100% & 'y'"
    folder.mkdir()
    assert run(folder / "study.json", 2) == run(tmp_path / "study.json", 2)
    assert (folder / "study.json").exists()


@pytest.mark.parametrize("stopped_after", range(1, 8))
def test_an_interrupted_search_resumes_with_the_same_result(tmp_path, stopped_after):
    whole = run(tmp_path / "whole.json")
    list(islice(optuna_search.trials(search(), 8, tmp_path / "parts.json", Objective()), stopped_after))
    objective = Objective()
    assert run(tmp_path / "parts.json", objective=objective) == whole
    assert len(objective.calls) == 8 - stopped_after


def test_a_run_that_dies_within_a_trial_leaves_no_trace_of_it(tmp_path):
    def dies(params: dict[str, Any]) -> dict[str, float | None]:
        if params["reg"] != 200:
            raise KeyboardInterrupt
        return Objective()(params)

    with pytest.raises(KeyboardInterrupt):
        list(optuna_search.trials(search(), 8, tmp_path / "study.json", dies))
    assert run(tmp_path / "study.json") == run(tmp_path / "whole.json")


def test_finished_searches_cost_nothing_and_stay_as_they_are(tmp_path):
    whole = run(tmp_path / "study.json")
    before, objective = (tmp_path / "study.json").read_bytes(), Objective()
    assert run(tmp_path / "study.json", objective=objective) == whole
    assert run(tmp_path / "study.json", 3, objective=objective) == whole[:3]  # as in a new run of three trials
    assert not objective.calls
    assert (tmp_path / "study.json").read_bytes() == before


def test_more_trials_continue_from_the_stored_ones(tmp_path):
    run(tmp_path / "study.json", 3)
    objective = Objective()
    assert run(tmp_path / "study.json", 8, objective=objective) == run(tmp_path / "whole.json")
    assert len(objective.calls) == 5


@pytest.mark.parametrize(
    "other",
    [
        search({**WIDE, "reg": {"low": 20, "high": 2001, "log": True}}),
        search({**WIDE, "max_items": 9}),
        search(seed=1),
        search(goal="mean"),
        search(fingerprints=("other data",)),
    ],
)
def test_another_space_seed_goal_or_data_is_another_study(tmp_path, other):
    run(tmp_path / "study.json", 2)
    objective = Objective()
    run(tmp_path / "study.json", 2, other, objective)
    assert other.name != search().name
    assert len(objective.calls) == 2


@pytest.mark.parametrize(("declared", "wanted"), [({}, [{}]), ({"reg": 9}, [{}]), ({"reg": [9]}, [{"reg": 9}])])
def test_a_model_without_alternatives_is_fitted_once(tmp_path, declared, wanted):
    objective = Objective()
    assert len(run(tmp_path / "study.json", 8, search(declared), objective)) == 1
    assert objective.calls == wanted


def test_a_small_space_is_searched_completely(tmp_path):
    objective, small = Objective(), search({"reg": [10, 200, 700], "signal": ["relevant", "seen"]})
    trials = run(tmp_path / "study.json", 50, small, objective)
    assert len(trials) == len({str(params) for params in objective.calls}) == 6
    assert max(trials, key=lambda trial: trial.value).params == {"reg": 700, "signal": "seen"}


def test_stored_values_have_the_types_of_the_space(tmp_path):
    """The default of decay_days is 40.0."""
    for _ in range(2):  # the second time, from the file
        trials = run(tmp_path / "study.json", 2, search({"decay_days": [15, 40]}, model="basket"))
        assert [repr(trial.params["decay_days"]) for trial in trials] == ["40", "15"]


def test_repeated_parameters_are_not_fitted_again(tmp_path):
    objective = Objective()
    narrow = search({"reg": {"low": 100, "high": 1400, "step": 100}})  # 14 combinations: the sampler repeats some
    trials = run(tmp_path / "study.json", 14, narrow, objective)
    assert len(trials) == 14
    assert len(objective.calls) == len({trial.params["reg"] for trial in trials}) < 14


@pytest.mark.parametrize(
    ("goal", "values"), [("all", [None, 0.5]), ("novel", [0.2, 0.4]), ("mean", [0.2, 0.45])], ids=lambda one: str(one)
)
def test_the_goal_says_which_score_counts_and_unknown_ones_do_not(tmp_path, goal, values):
    scores = iter([{"all": None, "novel": 0.2}, {"all": 0.5, "novel": 0.4}])
    study = search({"signal": ["relevant", "seen"]}, goal=goal)
    trials = list(optuna_search.trials(study, 2, tmp_path / "study.json", lambda params: next(scores)))
    assert [trial.value for trial in trials] == pytest.approx(values)


def test_without_evaluated_users_all_trials_are_null(tmp_path):
    trials = list(
        optuna_search.trials(search(), 3, tmp_path / "study.json", lambda params: {"all": None, "novel": None})
    )
    assert [trial.value for trial in trials] == [None, None, None]
    assert optuna_search.importance(search().space, trials) is None


def test_the_decisive_hyper_parameter_is_the_most_important():
    space = search().space
    trials = [
        Trial(n, {"reg": 20.0 + 7 * n, "signal": ["relevant", "seen"][n % 2]}, float(n % 2), {}) for n in range(20)
    ]
    shares = optuna_search.importance(space, trials)
    assert next(iter(shares)) == "signal"
    assert sum(shares.values()) == pytest.approx(1)
    assert optuna_search.importance(space, trials[: optuna_search.MIN_TRIALS - 1]) is None
    assert optuna_search.importance(search({"reg": WIDE["reg"]}).space, trials) is None


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"ease-1": 5}', b'{"ease-1": [{"params": {}}]}'])
def test_a_file_without_readable_trials_is_reported(tmp_path, content):
    file = tmp_path / "study.json"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"study\.json contains no trials .*Remove the file"):
        run(file, 1)
