"""Documents are correct: their paths, links, commands and parameters exist, and their numbers are up to date."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import documents
import pytest
import yaml

from recomart.project import dvc_graph, params
from recomart_lib.core.errors import UserError
from tools import made, picture, results

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *ROOT.glob("CONTRIBUTING.md"),
    *ROOT.glob("SECURITY.md"),
    *sorted((ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestPage:
    def test_paths_exist_or_are_outputs(self, page):
        if page.name == "your_shop.md":
            pytest.skip("it creates its own files: tests/whole/test_your_shop.py runs it word by word")
        assert documents.wrong_paths(page.read_text()) == []

    def test_files_named_without_a_folder_exist(self, page):
        assert documents.wrong_files(page.read_text()) == []

    def test_links_have_targets(self, page):
        assert documents.wrong_links(page.read_text(), page) == []

    def test_commands_are_valid(self, page):
        assert documents.wrong_commands(page.read_text()) == []

    def test_parameters_exist(self, page):
        assert documents.wrong_parameters(page.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "see `docs/nowhere.md`",
        "in data/nowhere/x.parquet",
        "in data/features/lost_and_found.parquet",
        "`notebooks/10_more.ipynb`",
        "`reports/metrics/nowhere.json`",
        "```\ncat shops/nowhere.yaml\n```",
        "shops/<name>.yml",
    ],
)
def test_a_missing_path_is_reported(text):
    assert documents.wrong_paths(text)


@pytest.mark.parametrize(
    "text",
    [
        "data/raw/source=<shop>/type=<table>/date=<day>/<hash>.parquet",
        "data/features/user.parquet and reports/NN_name.html.",
        "`shops/<name>.yaml`",
        "https://example.com/docs/nowhere.md",
        "data/tuning/<model>.json",
    ],
)
def test_an_output_or_a_pattern_is_not_reported(text):
    assert documents.wrong_paths(text) == []


@pytest.mark.parametrize(
    "command",
    [
        "recomart featurs show",
        "recomart features shw",
        "recomart features get --usr x",
        "recomart features get --user",
        "recomart stream produce --rate fast",
        "recomart features diff only_one",
        "recomart --install-completion zsh",
        "VALUE=1 recomart nothing > file",
        "cd x && dvc rpro",
        "dvc repro --frce",
        "dvc repro 10_more",
        "dvc exp run -S train.n_trails=20",
        "make nothing",
        "make repro SHP=x",
        "git pul",
        "python bench/nothing.py",
        "python -m recomart_lib.nothing",
        "pip install -e '.[nothing]'",
        "pip install -r requirements-nothing.lock",
    ],
)
def test_an_invalid_command_is_reported(command):
    assert documents.wrong_commands(f"```bash\n{command}   # a comment\n```")


def test_a_command_name_alone_is_valid_in_a_sentence():
    text = "With `recomart features diff`, `dvc exp run -S`, `make` and `NAME=x make repro SHOP=y` one can. Not: {}"
    assert documents.wrong_commands(text) == []
    assert documents.wrong_commands(text.format("`recomart features dif`")) != []
    assert documents.wrong_commands("```python\nrecomart = 1\n```") == []


@pytest.mark.parametrize("name", ["train.n_trails", "params.yaml: base.shp", "prepare.wait_*", "train.models.als.rag"])
def test_a_missing_parameter_is_reported(name):
    assert documents.wrong_parameters(f"set `{name}`") != []


def test_an_existing_parameter_is_not_reported():
    text = "`train.models.als.reg: 5`, `prepare.weight_*`, `validate.rules.any_rule`, `params.yaml: base.shop`"
    assert documents.wrong_parameters(text + ", `features.compute.compute(world)`, `stream.json`") == []


def test_a_broken_link_is_reported():
    page = ROOT / "docs/models.md"
    assert documents.wrong_links("# One two\n[a](nowhere.md) [b](#one-three) [c](models.md#nothing)", page) != []
    assert len(documents.wrong_links("[a](nowhere.md) [b](#x) [c](models.md#nothing) ![d](images/no.png)", page)) == 4
    assert documents.wrong_links("# One two\n[b](#one-two) [c](../README.md#tests) [d](https://x.org/y)", page) == []


def test_a_missing_file_is_reported():
    assert documents.wrong_files("`parms.yaml`") == ["parms.yaml: no such file"]
    assert documents.wrong_files("`params.yaml`, `evaluation.json`") == []


@pytest.mark.parametrize("name", made.PAGES)
def test_generated_parts_are_up_to_date(name):
    text = (ROOT / name).read_text()
    assert made.MARKED.search(text)
    assert made.filled(text, ROOT) == text, "run: make docs"


def test_a_hand_typed_number_is_replaced():
    text = "before\n<!-- made: targets -->\n| ndcg | 0.999 |\n<!-- end -->\nafter"
    filled = made.filled(text, ROOT)
    assert "0.999" not in filled
    assert filled.startswith("before\n<!-- made: targets -->\n| target |")
    assert filled.endswith("<!-- end -->\nafter")


def test_the_graph_shows_all_dependencies_of_dvc_yaml():
    """Each stage is reachable in the picture from all stages whose results it needs."""
    stages = dvc_graph.read(ROOT, {"base": params.Base().model_dump()})
    arrows = re.findall(r"(\w+) -(?:->|\.->) (\w+)", made.graph(stages))
    for name, upstream in dvc_graph.upstream(stages).items():
        ancestors, to_visit = set(), [made.node_id(name)]
        while to_visit:
            node = to_visit.pop()
            parents = {source for source, target in arrows if target == node} - ancestors
            ancestors |= parents
            to_visit += parents
        assert {made.node_id(other) for other in upstream} <= ancestors, name
    graph = made.graph({"a": {"outs": ["data/x"]}, "b": {"deps": ["data/x"], "metrics": ["m"]}, "c": {"deps": ["m"]}})
    assert [line.strip() for line in graph.splitlines() if "-" in line] == [
        "n_a --> n_data_x",
        "n_data_x --> n_b",
        "n_b -.-> n_c",
    ]


def test_stored_results_equal_the_target_card():
    stored = json.loads((ROOT / made.RESULTS).read_text())
    for row in stored["targets"]:
        metric = row["target"].split()[0]
        assert (
            stored[row["protocol"]][metric] == row["value"] == stored["models"][row["protocol"]][row["model"]][metric]
        )
        assert (row["verdict"] == "missed") == (row["value"] < row["threshold"])


def test_the_models_page_quotes_the_stored_results():
    stored, text = json.loads((ROOT / made.RESULTS).read_text()), (ROOT / "docs/models.md").read_text()
    for model in ("own_history_decayed", "repurchase", "ease", "basket", "blend", "two_stage"):
        row = next(line for line in text.splitlines() if line.startswith(f"| `{model}` | ") and line.count("|") == 6)
        quoted = [cell.strip(" *") for cell in row.split("|")[4:6]]
        expected = [f"{stored['models'][protocol][model]['ndcg@10']:.3f}".lstrip("0") for protocol in ("all", "novel")]
        assert [number for number in quoted if number] == expected[: len([n for n in quoted if n])], model


def test_results_are_gathered_from_a_run():
    metrics = [
        json.loads((ROOT / f"reports/metrics/{name}.json").read_text())
        for name in ("headline", "evaluation", "data", "quality")
    ]
    stored = results.gather(*metrics)
    assert stored["all"] == metrics[0]["all"]
    assert set(stored["models"]["novel"]) == set(metrics[1]["novel"])
    assert made.headline(stored).count("\n") == 8
    assert made.targets(stored).count("\n") == 8


BARS = '<figure class="bars">{}</figure>'
TOP = '<section class="answer">A</section><div class="tiles">T</div><div class="box">B</div>'
INDEX = f"<style>p {{}}</style><h1>Shop</h1>{TOP}"


def test_the_picture_shows_the_top_of_the_index():
    html = picture.page(INDEX + BARS.format("delivered") + BARS.format("discovery") + "<h2>Stages</h2>")
    assert all(word in html for word in ("Shop", ">A<", ">T<", ">B<", "delivered"))
    assert "discovery" not in html
    assert "Stages" not in html


@pytest.mark.parametrize("index", ["<h1>x</h1>", INDEX])
def test_a_failed_run_gives_no_picture(index):
    with pytest.raises(UserError, match="no answer or no results"):
        picture.page(index)


def test_without_a_browser_the_message_names_some(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"chromium.*google-chrome"):
        picture.browser()


def test_the_picture_exists_and_is_small():
    assert (ROOT / picture.TARGET).stat().st_size < 200_000
    assert f"]({picture.TARGET})" in (ROOT / "README.md").read_text()[:1500]


def test_the_index_lists_every_page():
    index = (ROOT / "docs/README.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("[a-z]*.md")}
    assert {name for name in pages if f"]({name})" not in index} == set()
    assert "docs/README.md" in (ROOT / "README.md").read_text()


def test_hooks_run_the_locked_versions():
    """Local hooks run the programs of .venv: there is one list of versions, and nothing to download."""
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {repo["repo"] for repo in repos} == {"local"}
    hooks = [hook for repo in repos for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} <= {"system", "pygrep"}
    programs = {hook["entry"].split()[0] for hook in hooks if hook["language"] == "system"}
    pinned = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert {"ruff", "nbstripout"} <= programs <= pinned | {"git", "python"}


def test_ci_calls_existing_targets_and_keeps_reports():
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert {"make lint", "make test", "make repro", "make test-slow"} == set(commands)
    assert documents.wrong_commands("```bash\n" + "\n".join(commands) + "\n```") == []
    artifacts = [step["with"]["path"] for step in steps if "upload-artifact" in step.get("uses", "")]
    assert len(artifacts) == 1
    assert documents.wrong_paths(artifacts[0].replace("**/*", "index")) == []
    assert "workflow_dispatch" in jobs["slow"]["if"]


def test_the_licence_equals_that_of_the_package():
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "MIT"
