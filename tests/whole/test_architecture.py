"""The shape of the project: layers, notebook anatomy, and params <-> notebooks <-> dvc.yaml in step."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml

from recomart.project import dvc_graph, params
from recomart.runner import checks, notebook_file, stage

ROOT = Path(__file__).resolve().parents[2]
STAGES = list(stage.STAGES)

# A folder imports itself and what stands to its left. `recomart_lib` never imports `recomart`.
PACKAGES = {
    "recomart_lib": [
        "core",
        "stream",
        "ingest",
        "validate",
        "explore",
        "prepare",
        "features",
        "models",
        "metrics",
        "lists",
        "train",
        "evaluate",
        "recommend",
        "stream_report",
    ],
    "recomart": [
        "project",
        "simulator",
        "reference",
        "draft",
        "dry_run",
        "datasets",
        "streaming",
        "runs",
        "exports",
        "reports",
        "runner",
        "orchestration",
        "cli",
    ],
}
# Folders that import less than their place would let them.
NARROW = {
    "models": {"core", "models"},
    "metrics": {"core", "metrics"},
    "lists": {"core", "metrics", "lists"},
    "explore": {"core", "explore"},
    "stream_report": {"core", "stream", "stream_report"},
}
NEVER = {("evaluate", "models"), ("evaluate", "train"), ("recommend", "evaluate"), ("prepare", "explore")}


def modules() -> dict[str, Path]:
    """Module name -> its file, of both packages; a package's name stands for its __init__.py."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def local_imports(source: str) -> set[str]:
    """The modules of both packages that a piece of code imports, wherever in it."""
    known, found = modules(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found


def closure(source: str) -> set[str]:
    """All modules that a piece of code needs, directly or not.

    params.yaml is read by one module, which knows the settings of all stages; DVC tracks their values one by one, so
    that nobody depends on the settings of another stage.
    """
    known, todo, seen = modules(), local_imports(source), set()
    while todo:
        module = todo.pop()
        seen.add(module)
        if module != "recomart.project.params":
            todo |= local_imports(known[module].read_text()) - seen
    return seen


def folder(module: str) -> str:
    """The folder of a module as dvc.yaml names it, like `recomart_lib/ingest`."""
    return "/".join(module.split(".")[:2])


def test_a_path_is_no_pattern():
    """Polars takes a bracket in the name of a project's folder for a pattern, unless `glob=False` is set."""
    patterns = re.compile(
        r"pl\.(scan|read)_(parquet|csv|ndjson|ipc)\((?!(?:[^()]|\([^()]*\))*(glob=False|BytesIO|read_bytes))"
    )
    code = {path.name: path.read_text() for path in modules().values()} | {name: code_of(name) for name in STAGES}
    assert [name for name, text in code.items() if patterns.search(text)] == []


def code_of(name: str) -> str:
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def own_word(name: str) -> str:
    """The folder of a stage: its section of params.yaml, which is the word in its name (09: stream_report)."""
    return stage.STAGES[name]


def pipeline() -> dict:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text())


def code_deps(entry: dict) -> set[str]:
    """The folders of code that a stage of dvc.yaml depends on."""
    return {dep for dep in entry["deps"] if dep.split("/")[0] in PACKAGES}


def test_every_folder_has_a_place():
    for package, ordered in PACKAGES.items():
        assert {module.split(".")[1] for module in modules() if module.startswith(f"{package}.")} == set(ordered)


@pytest.mark.parametrize("module", [module for module in modules() if module.count(".")])
def test_a_folder_imports_what_stands_to_its_left(module):
    package, mine = module.split(".")[:2]
    ordered = PACKAGES[package]
    for imported in local_imports(modules()[module].read_text()):
        root, _, rest = imported.partition(".")
        if root != package:
            assert package == "recomart", f"{module} imports {imported}"
        elif rest:
            other = rest.split(".")[0]
            assert ordered.index(other) <= ordered.index(mine), f"{module} imports {imported}, to the right of it"
            assert other in NARROW.get(mine, ordered), f"{module} imports {imported}"
            assert (mine, other) not in NEVER, f"{module} imports {imported}"


def test_no_module_imports_itself_through_others():
    for module, path in modules().items():
        assert module not in closure(path.read_text()) or module == "recomart.project.params", module


def test_the_foundations_import_nothing_local():
    for module in ("schemas", "errors"):
        assert local_imports(modules()[f"recomart_lib.core.{module}"].read_text()) == set()


@pytest.mark.parametrize("name", STAGES)
def test_an_edit_of_takeaways_concerns_its_stage_and_followers_only(name):
    """DVC runs again what depends on the edited folder, and what follows; 03's sentences are nobody else's business."""
    word = own_word(name)
    assert (ROOT / "recomart_lib" / word / "takeaways.py").exists()
    graph = dvc_graph.read(ROOT)
    stale = {other for other, entry in graph.items() if f"recomart_lib/{word}" in code_deps(entry)}
    assert name in stale
    assert stale <= {name} | dvc_graph.downstream(graph, [name])


@pytest.mark.parametrize("entity", ["users", "items", "pairs"])
def test_feature_functions_reach_nothing_but_the_past_that_they_are_given(entity):
    source = modules()[f"recomart_lib.features.{entity}"].read_text()
    allowed = {f"recomart_lib.features.{name}" for name in ("base", "users", "items", "settings")}
    assert local_imports(source) <= allowed | {"recomart_lib.core.schemas"}
    assert not {"polars", "pathlib", "pyarrow", "pandas"} & {
        name.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }


REST_PARTS = ("rest_session", "rest_answers", "rest_response", "rest_paging")


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("papermill", {"recomart.runner.engine"}),
        ("concurrent_log_handler", {"recomart.project.logs"}),
        ("feast", {f"recomart_lib.features.{name}" for name in ("feast_store", "online_file", "registry_code")}),
        ("lightgbm", {"recomart_lib.models.boosted_trees"}),
        ("pyspark", {"recomart_lib.features.engine"}),
        ("sqlalchemy", {f"recomart_lib.features.{name}" for name in ("registry_code", "registry_history")}),
        (
            "surprise",
            {f"recomart_lib.models.{name}" for name in ("rating_base", "svd", "svdpp")}
            | {"recomart.reference.reproduce"},
        ),
        ("optuna", {"recomart_lib.train.optuna_search"}),
        ("implicit", {f"recomart_lib.models.{name}" for name in ("als", "bpr", "item_knn")}),
        ("data_profiling", {"recomart_lib.validate.profiling"}),
        ("dagster", {name for name in modules() if name.startswith("recomart.orchestration")}),
        (
            "httpx",
            {f"recomart_lib.ingest.sources.{name}" for name in ("rest_api", *REST_PARTS, "http_retries")}
            | {"recomart.datasets", "recomart.orchestration.triggers"},
        ),
        (
            "tenacity",
            {f"recomart_lib.ingest.sources.{name}" for name in ("rest_session", "http_retries")}
            | {"recomart.datasets"},
        ),
        ("confluent_kafka", {name for name in modules() if name.startswith("recomart.streaming")}),
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


# What writes a file that others read goes through core/files or core/parquet: complete and durable, or not there. These
# write otherwise, and why that is right:
WRITERS = {
    "recomart_lib.core.parquet": "buckets in a scratch folder",
    "recomart_lib.core.project_lock": "says who holds the lock: read for a message only, and written by one process",
    "recomart_lib.ingest.lake": "the manifest in a scratch folder; files.move puts it into the lake",
    "recomart_lib.validate.quarantine": "Parquet in memory and in a temporary folder",
    "recomart_lib.stream.commit_log": "a commit is synced, then linked to its name, which only one process can",
    "recomart_lib.stream.zone_files": "synced; nobody reads it before a commit names it",
    "recomart.datasets": "an incomplete download that is resumed; files.move gives it its name",
    "recomart.orchestration.ui": "a workspace file in a temporary folder",
    "recomart.project.logs": "opens the log to see whether it can be written",
}
WRITES = {"write_text", "write_bytes", "write_parquet", "sink_parquet", "write_csv", "write_ndjson", "savefig"}
WRITES |= {"to_csv", "to_file", "to_parquet", "copyfile", "copy2", "copytree"}
WRITING_MODE = re.compile(r"'[rb]?[wax+]")


def writing_calls(code: str) -> list[str]:
    """The calls that write to a file, but not to the one that `files.complete` gives. SQLite has transactions."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if isinstance(call.func, ast.Attribute) and _writes(call)]


def _writes(call: ast.Call) -> bool:
    name, owner, arguments = call.func.attr, ast.unparse(call.func.value), [ast.unparse(each) for each in call.args]
    if owner in ("files", "unfinished") or "unfinished" in arguments or not arguments:
        return False
    return name in WRITES or (name == "open" and any(map(WRITING_MODE.match, arguments)))


def test_files_that_others_read_are_complete_or_not_there():
    code = {name: path.read_text() for name, path in modules().items()} | {name: code_of(name) for name in STAGES}
    writers = {name: calls for name, text in code.items() if (calls := writing_calls(text))}
    assert {name: calls for name, calls in writers.items() if name not in WRITERS} == {}
    assert set(WRITERS) - set(writers) == set(), "these no longer write: shorten the list"


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
        assert notebook_file.title_of(notebook) == f"{number} {word.capitalize()}"
        assert notebook_file.question_of(notebook).endswith("?")

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
        lines = [line for line in cell.source.splitlines() if line[0].isalpha() and not line.startswith("weight_")]
        assert all("#" in line for line in lines)

    def test_has_its_sections(self, name, notebook):
        headings = re.findall(
            r"^## (.+)$", "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown"), re.M
        )
        assert [h for h in headings if h in ("Inputs", "Checks", "Outputs", "Summary")] == [
            "Inputs",
            "Checks",
            "Outputs",
            "Summary",
        ]

    def test_parameters_equal_the_typed_defaults_and_params_yaml(self, name, notebook):
        declared = checks.declared_parameters(notebook)
        defaults = {**params.Base().model_dump(), **params.Params().section(stage.STAGES[name]).model_dump()}
        assert declared == {key: defaults[key] for key in declared}
        assert set(params.Params().section(stage.STAGES[name]).model_dump()) <= set(declared)

    def test_uses_every_parameter(self, name, notebook):
        """By its name, or as one of the settings that `Section.of(vars())` takes."""
        code = code_of(name)
        loaded = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)]
        used = {node.id for node in loaded if isinstance(node.ctx, ast.Load)}
        if re.search(r"^settings = \w+\.of\(vars\(\)\)$", code, re.M):
            used |= set(params.Params().section(stage.STAGES[name]).model_dump())
        assert set(checks.declared_parameters(notebook)) <= used

    def test_dvc_tracks_what_the_notebook_imports(self, name, notebook):
        needed = {folder(module) for module in closure(code_of(name)) if module.count(".")}
        assert code_deps(pipeline()["stages"][name]) == needed

    def test_imports_its_own_folder_first(self, name, notebook):
        ours = re.findall(r"^from (recomart\w*)\.(\w+)", code_of(name), re.M)
        assert ours[0] == ("recomart_lib", own_word(name))
        assert {package for package, _ in ours} == {"recomart_lib"}

    def test_dvc_knows_report_and_parameters(self, name, notebook):
        entry = pipeline()["stages"][name]
        outs = [out if isinstance(out, str) else next(iter(out)) for out in entry["outs"]]
        assert {f"reports/{name}.ipynb", f"reports/{name}.html", f"reports/sidecars/{name}.json"} <= set(outs)
        assert entry["cmd"] == f"recomart stage {name}"
        assert entry["desc"] == notebook_file.question_of(notebook)
        tracked = {p for p in entry["params"] if isinstance(p, str)}
        assert stage.STAGES[name] in tracked
        base = {f"base.{key}" for key in params.Base().model_dump() if key in checks.declared_parameters(notebook)}
        assert base == {p for p in tracked if p.startswith("base")}


def test_params_yaml_holds_the_defaults():
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["base"] = {**content["base"], "shop": "simulated", "source": "data/source/simulated"}
    assert content["train"].pop("models"), "train.models has its values here only"
    defaults = params.Params().model_dump(by_alias=True)
    defaults["train"].pop("models")
    assert content == defaults


def test_every_parameter_has_a_comment():
    lines = (ROOT / "params.yaml").read_text().splitlines()
    for line in lines:
        if re.match(r"^  \w+:", line) and "weight_" not in line and "target_" not in line:
            assert "#" in line or "n_users" in line or "n_items" in line or "n_days" in line or " k:" in line, line


def test_index_follows_every_stage():
    deps = pipeline()["stages"]["index"]["deps"]
    assert {f"reports/sidecars/{name}.json" for name in STAGES} <= set(deps)


def test_dvc_tracks_what_builds_the_index():
    """What `recomart index` imports, and all templates of pages; its pages never come from DVC's run cache."""
    entry = pipeline()["stages"]["index"]
    built_by = "from recomart.reports import changes, index, model_card\nfrom recomart.runs import archive"
    assert code_deps(entry) == {folder(module) for module in closure(built_by)}
    outs = {name: options for out in entry["outs"] if isinstance(out, dict) for name, options in out.items()}
    assert outs["reports/changes.html"]["persist"]
    linked = outs.get("reports/index.html", {})
    assert outs["reports/changes.html"].get("cache", True) == linked.get("cache", True), "one links the other"


def test_committed_notebooks_are_all_stages():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == STAGES


def test_json_files_in_reports_are_valid():
    for path in (ROOT / "reports" / "metrics").glob("*.json"):
        json.loads(path.read_text())
