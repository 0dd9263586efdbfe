"""The shape of the project: layers, notebook anatomy, and params <-> notebooks <-> dvc.yaml in step."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

from recomart_lib import params, stage

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "recomart_lib"
STAGES = list(stage.STAGES)

# A module may import modules of its own or a lower layer; the lowest comes first.
LAYERS = [
    {"errors", "paths", "schemas"},
    {"pipeline"},
    {"stream_broker"},
    {
        "colours",
        "config",
        "params_file",
        "metrics",
        "published",
        "takeaways",
        "parquet",
        "tables",
        "explore",
        "profiling",
        "parallel",
    },
    {"params", "plots", "shops", "lake", "sections"},
    {"logs"},
    {
        "sources",
        "simulator",
        "simulator_api",
        "splits",
        "engine",
        "rulebook",
        "context",
        "derived",
        "drift",
        "history",
    },
    {"stream_schema", "stream_latency", "stream_log", "stream_compaction", "stream_report"},
    {"judging", "repair"},
    {"stream_producer", "stream_letters", "stream_consumer", "stream_status"},
    {"stream_demo"},
    {"ingest", "quality", "prepare", "features"},
    {"stream_features"},
    {"feature_config", "feature_history", "feature_store", "models", "models.base", "models.ranking"},
    {"evaluation"},
    {"spaces"},
    {"tuning"},
    {"beyond", "training"},
    {"candidates"},
    {"why", "backtest", "lessons", "recommend", "stream_lists", "report", "index_page", "known_answers", "airflow_dag"},
    {"model_card", "runs"},
    {"changes"},
    {"changes_page"},
    {"stage"},
    {"orchestration_runs", "orchestration_params", "orchestration_watch"},
    {"orchestration_facts"},
    {"orchestration"},
    {"cli_show", "cli_complete"},
    {"cli_options"},
    {"cli_airflow", "cli_data", "cli_features", "cli_recommend", "cli_runs", "cli_shop", "cli_stream"},
    {"cli"},
    {"cli_document"},
]


def modules() -> dict[str, Path]:
    """Module name below recomart_lib -> its file."""
    files = [path for path in LIBRARY.rglob("*.py") if path != LIBRARY / "__init__.py"]
    return {".".join(path.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def local_imports(source: str) -> set[str]:
    """The modules of recomart_lib that a piece of code imports, wherever in it."""
    known, found = modules(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "recomart_lib":
            parent = node.module.removeprefix("recomart_lib").lstrip(".")
            for alias in node.names:
                inner = f"{parent}.{alias.name}".lstrip(".")
                found.add(inner if inner in known else parent)
    return found - {""}


def closure(source: str) -> set[str]:
    """All modules that a piece of code needs, directly or not."""
    known, todo, seen = modules(), local_imports(source), set()
    while todo:
        module = todo.pop()
        seen.add(module)
        todo |= local_imports(known[module].read_text()) - seen
    return seen


def code_of(name: str) -> str:
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def pipeline() -> dict:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text())


def layer(module: str) -> int:
    for place, names in enumerate(LAYERS):
        if module in names or module.split(".")[0] in names & {"features", "models", "sources"}:
            return place
    raise AssertionError(f"recomart_lib.{module} has no place in LAYERS")


@pytest.mark.parametrize("module", modules())
def test_imports_go_down(module):
    if module in ("features", "sources"):
        return
    for imported in local_imports(modules()[module].read_text()):
        assert layer(imported) <= layer(module), f"{module} imports {imported}, which lies above it"


def test_schemas_and_errors_import_nothing_local():
    for module in ("schemas", "errors", "metrics"):
        assert local_imports(modules()[module].read_text()) <= {"schemas", "errors"}


@pytest.mark.parametrize("module", ["evaluation", "beyond"])
def test_evaluation_reads_tables_and_never_imports_models(module):
    assert not any(name.startswith("models") for name in closure(modules()[module].read_text()))


@pytest.mark.parametrize("entity", ["users", "items", "pairs"])
def test_feature_functions_reach_nothing_but_the_past_that_they_are_given(entity):
    source = modules()[f"features.{entity}"].read_text()
    assert local_imports(source) <= {"features.base", "features.users", "features.items", "prepare"}
    assert not {"polars", "pathlib", "pyarrow", "pandas"} & {
        name.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("papermill", {"stage"}),
        ("concurrent_log_handler", {"logs"}),
        ("feast", {"feature_store"}),
        ("lightgbm", {"models.trees"}),
        ("pyspark", {"engine", "feature_store"}),
        ("sqlalchemy", {"feature_history"}),
        ("surprise", {"models.rating", "models.svd", "models.svdpp", "known_answers"}),
        ("optuna", {"tuning"}),
        ("implicit", {"models.als", "models.bpr", "models.item_knn"}),
        ("data_profiling", {"profiling"}),
        ("dagster", {name for name in modules() if name.startswith("orchestration")} - {"orchestration_runs"}),
        ("httpx", {"sources.rest", "sources.download", "orchestration_watch"}),
        ("tenacity", {"sources.rest", "sources.download"}),
        ("confluent_kafka", {name for name in modules() if name.startswith("stream_")}),
    ],
)
def test_only_one_place_knows_a_package(package, allowed):
    users = {
        name
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == package for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package)
    }
    assert users
    assert users <= allowed


def test_the_library_does_not_print():
    for name, path in modules().items():
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert not any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls), name


@pytest.mark.parametrize("name", STAGES)
class TestNotebookAnatomy:
    @pytest.fixture
    def notebook(self, name):
        return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)

    def test_starts_with_number_title_and_question(self, name, notebook):
        number, word = name.split("_")
        assert stage.title_of(notebook) == f"{number} {word.capitalize()}"
        assert stage.question_of(notebook).endswith("?")

    def test_is_stripped(self, name, notebook):
        for cell in notebook.cells:
            assert not cell.get("outputs")
            assert not cell.get("execution_count")

    def test_is_short(self, name, notebook):
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        assert len(code) <= 25
        assert max(len(source.splitlines()) for source in code[1:]) <= 12

    def test_holds_no_logic(self, name, notebook):
        tree = ast.parse(code_of(name))
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Lambda)]
        assert not re.search(r"^\s*[%!]", code_of(name), re.MULTILINE)

    def test_second_cell_holds_the_parameters_with_comments(self, name, notebook):
        cell = notebook.cells[1]
        assert cell.metadata.tags == ["parameters"]
        tree = ast.parse(cell.source)
        assert all(isinstance(node, ast.Assign) for node in tree.body)
        lines = [
            line for line in cell.source.splitlines() if line[0].isalpha() and not line.startswith(("svd_", "weight_"))
        ]
        assert all("#" in line for line in lines)

    def test_has_its_sections(self, name, notebook):
        headings = re.findall(
            r"^## (.+)$", "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown"), re.M
        )
        assert [h for h in headings if h in ("Inputs", "Checks", "Outputs", "Summary")] == [
            "Inputs", "Checks", "Outputs", "Summary"]  # fmt: skip

    def test_parameters_equal_the_typed_defaults_and_params_yaml(self, name, notebook):
        declared = stage.declared_parameters(notebook)
        defaults = {**params.Base().model_dump(), **params.Params().section(stage.STAGES[name]).model_dump()}
        assert declared == {key: defaults[key] for key in declared}
        assert set(params.Params().section(stage.STAGES[name]).model_dump()) <= set(declared)

    def test_uses_every_parameter(self, name, notebook):
        used = {node.id for node in ast.walk(ast.parse(code_of(name))) if isinstance(node, ast.Name)
                and isinstance(node.ctx, ast.Load)}  # fmt: skip
        assert set(stage.declared_parameters(notebook)) <= used

    def test_dvc_tracks_what_the_notebook_imports(self, name, notebook):
        deps = [dep for dep in pipeline()["stages"][name]["deps"] if dep.startswith("recomart_lib/")]
        files = {modules()[module].relative_to(ROOT).as_posix() for module in closure(code_of(name))}
        assert set(deps) == files

    def test_dvc_knows_report_and_parameters(self, name, notebook):
        entry = pipeline()["stages"][name]
        outs = [out if isinstance(out, str) else next(iter(out)) for out in entry["outs"]]
        assert {f"reports/{name}.ipynb", f"reports/{name}.html", f"reports/sidecars/{name}.json"} <= set(outs)
        assert entry["cmd"] == f"recomart stage {name}"
        assert entry["desc"] == stage.question_of(notebook)
        tracked = {p for p in entry["params"] if isinstance(p, str)}
        assert stage.STAGES[name] in tracked
        base = {f"base.{key}" for key in params.Base().model_dump() if key in stage.declared_parameters(notebook)}
        assert base == {p for p in tracked if p.startswith("base")}


def test_params_yaml_holds_the_defaults():
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["base"] = {**content["base"], "shop": "simulated", "source": "data/source/simulated"}
    assert content == params.Params().model_dump(by_alias=True)


def test_every_parameter_has_a_comment():
    lines = (ROOT / "params.yaml").read_text().splitlines()
    for line in lines:
        if re.match(r"^  \w+:", line) and "weight_" not in line and "svd_" not in line and "target_" not in line:
            assert "#" in line or "n_users" in line or "n_items" in line or "n_days" in line or " k:" in line, line


def test_index_follows_every_stage():
    deps = pipeline()["stages"]["index"]["deps"]
    assert {f"reports/sidecars/{name}.json" for name in STAGES} <= set(deps)


def test_dvc_tracks_what_builds_the_index():
    """What `recomart index` imports, and all templates of pages; its pages never come from DVC's run cache."""
    entry = pipeline()["stages"]["index"]
    built_by = "from recomart_lib import changes_page, index_page, model_card, runs"
    files = {modules()[module].relative_to(ROOT).as_posix() for module in closure(built_by)}
    files |= {f"recomart_lib/templates/{name}" for name in ("changes.html.j2", "index.html.j2", "style.css")}
    files |= {f"recomart_lib/templates/model_card.{kind}.j2" for kind in ("html", "md")}
    assert {dep for dep in entry["deps"] if dep.startswith("recomart_lib/")} == files
    outs = {name: options for out in entry["outs"] if isinstance(out, dict) for name, options in out.items()}
    assert outs["reports/changes.html"]["persist"]
    linked = outs.get("reports/index.html", {})
    assert outs["reports/changes.html"].get("cache", True) == linked.get("cache", True), "one links the other"


def test_conda_and_pip_name_the_same_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert sorted(next(d for d in conda if isinstance(d, dict))["pip"]) == sorted([*wanted, "--editable ."])


def test_the_lock_satisfies_pyproject():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line]
    pinned = {canonicalize_name(line.split("==")[0]): line.split("==")[1].split(";")[0].strip() for line in lines}
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_the_lock_names_no_registry():
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_committed_notebooks_are_all_stages():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == STAGES


def test_json_files_in_reports_are_valid():
    for path in (ROOT / "reports" / "metrics").glob("*.json"):
        json.loads(path.read_text())
