"""No file or answer is run: neither library nor tools nor notebooks load pickles, evaluate text, or start a shell."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("recomart", "recomart_lib", "tools", "bench")
# modules whose readers run code: pickles of some kind; `code` and `commands` run text
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle", "commands", "code"}
NAMES = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
# methods that run code, or text as a command, whatever they belong to
METHODS = {
    *("spawnl", "spawnv", "getoutput", "getstatusoutput", "create_subprocess_shell"),
    *("read_pickle", "to_pickle", "deserialize", "unsafe_load", "full_load", "load_all", "mktemp"),
    *("_create_unverified_context", "extractall", "register_extension_type"),
}
ARGUMENTS = {("shell", True), ("verify", False), ("allow_pickle", True), ("typ", "unsafe"), ("check_hostname", False)}
# file -> what it may do, and why
ALLOWED = {
    "bench/chaos.py": {"random"},  # when a process is killed, which a seed repeats
    "recomart/cli/ui.py": {"import_module"},  # a constant
    "recomart/cli/app.py": {"import_module"},  # a module of its own table
    "recomart/runner/stage.py": {"import_module"},  # constants
    "recomart_lib/features/feast_store.py": {"import_module"},  # constants
    "recomart/orchestration/workarounds.py": {"import_module"},  # a constant
    "recomart/simulator/api.py": {"random"},  # simulated faults, which a seed repeats
}


def offences(source: str) -> set[str]:
    """What a piece of code does that may run data."""
    tree = ast.parse(source)
    from_ruamel = "from ruamel" in source  # its default loader creates no objects; `typ="unsafe"` is an offence
    seen: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            seen |= _imports(node) & (MODULES | {"random", "telnetlib", "ftplib"})
        elif isinstance(node, ast.Call):
            seen |= _call(node, from_ruamel)
        elif isinstance(node, ast.Attribute) and node.attr == "CERT_NONE":
            seen.add(node.attr)
    return seen


def _imports(node: ast.Import | ast.ImportFrom) -> set[str]:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return {name.split(".")[0] for name in names}


def _call(node: ast.Call, from_ruamel: bool) -> set[str]:
    function, seen = ast.unparse(node.func), set()
    last = function.rpartition(".")[2]
    if function in NAMES or last in METHODS or last == "import_module":
        seen.add(last)
    if function == "yaml.load" and not from_ruamel and "SafeLoader" not in ast.unparse(node):
        seen.add("yaml.load")
    for keyword in node.keywords:
        if isinstance(keyword.value, ast.Constant) and (keyword.arg, keyword.value.value) in ARGUMENTS:
            seen.add(f"{keyword.arg}={keyword.value.value}")
    return seen


def files() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def test_no_module_runs_what_it_reads():
    found = {name: offences((ROOT / name).read_text()) - ALLOWED.get(name, set()) for name in files()}
    assert {name: seen for name, seen in found.items() if seen} == {}


def test_exceptions_are_needed():
    assert {name for name in ALLOWED if ALLOWED[name] - offences((ROOT / name).read_text())} == set()


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_notebook_runs_what_it_reads(path):
    cells = nbformat.read(path, as_version=4).cells
    assert offences("\n".join(cell.source for cell in cells if cell.cell_type == "code")) == set()


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import yaml\nyaml.load(text)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "from ruamel.yaml import YAML\nYAML(typ='unsafe')",
        "eval(text)",
        "exec(text)",
        "import os\nos.system(text)",
        "subprocess.run(text, shell=True)",
        "client = httpx.Client(verify=False)",
        "context.verify_mode = ssl.CERT_NONE",
        "pandas.read_pickle(path)",
        "pl.LazyFrame.deserialize(path)",
        "importlib.import_module(name)",
        "archive.extractall(folder)",
        "import random",
    ],
)
def test_an_offence_is_found(code):
    assert offences(code)


@pytest.mark.parametrize(
    "code",
    [
        "import re\nre.compile(text)",
        "yaml.load(text, yaml.SafeLoader)",
        "from ruamel.yaml import YAML\nyaml = YAML()\nyaml.load(text)",
        "rng = np.random.default_rng(1)",
        "np.load(path, allow_pickle=False)",
        "subprocess.run(['git', 'status'], shell=False)",
        "platform.system()",
    ],
)
def test_usual_code_is_no_offence(code):
    assert offences(code) == set()
