"""Checks of a document that need no run: each function returns its findings as sentences."""

from __future__ import annotations

import contextlib
import fnmatch
import io
import re
import shlex
import subprocess
import tomllib
from argparse import Namespace
from functools import lru_cache
from pathlib import Path

import yaml
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from typer.main import get_command

from recomart.cli.app import app
from recomart.project import dvc_graph

ROOT = Path(__file__).resolve().parents[1]
ENDINGS = "ya?ml|toml|lock|md|json|py|ipynb|csv|html|db"
FOLDERS = (
    r"notebooks|recomart_lib|recomart(?!/(?:params|shop)\b)|tools|shops|tests|docs|bench|kafka|data|reports|\.github"
    r"|\.dvc"
)
PATH = re.compile(rf"(?<![\w./=@-])((?:{FOLDERS})/(?:[\w.*=-]|<[\w -]+>|/)*)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("", "bash", "sh")
COMPLETION = {"--install-completion", "--show-completion"}  # parsing alone runs these options
# paths that are neither in Git nor an out of dvc.yaml, and what creates them
OTHERS = {
    ".dvc/cache": "DVC",
    ".dvc/config.local": "dvc remote modify --local",
    ".dvc/site_cache": "make setup",
    "data/kafka": "make kafka",
    "data/repair": "recomart quarantine export",
    "data/replay": "recomart quarantine replay",
    "data/runs": "recomart index, at the end of dvc repro",
    "data/streaming": "recomart stream consume",
    "data/source": "the shop",
    "reports/changes_1_2.html": "recomart runs diff",
}


@lru_cache
def tracked() -> list[str]:
    """Return the files of the project: in Git, or not yet added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in process.stdout.splitlines() if (ROOT / name).exists()]


@lru_cache
def outs() -> list[str]:
    """Return the outs of dvc.yaml."""
    stages = dvc_graph.read(ROOT).values()
    entries = [entry for stage in stages for key in ("outs", "metrics") for entry in stage.get(key) or []]
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


@lru_cache
def code() -> str:
    """Return the text of all files that may name others: library, notebooks, scripts, configuration."""
    kinds = (".py", ".ipynb", ".yaml", ".sh", ".j2", "Makefile")
    return "\n".join((ROOT / name).read_text() for name in tracked() if name.endswith(kinds) and "tests/" not in name)


def blocks(text: str, languages: tuple[str, ...]) -> list[str]:
    """Return the fenced blocks in these languages."""
    return [body for language, body in BLOCK.findall(text) if language in languages]


def spans(text: str) -> list[str]:
    """Return the inline code of a text, outside of blocks; a line break in it becomes a space."""
    return [span.replace("\n", " ") for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", BLOCK.sub("", text))]


def wrong_paths(text: str) -> list[str]:
    """Return paths in inline code, blocks or plain text that neither exist nor are created by anything."""
    matches = {match.rstrip(".") for match in PATH.findall(re.sub(r"https?://\S+", "", text))}
    return [f"{path} does not exist" for path in sorted(matches) if not _exists(path)]


def _exists(path: str) -> bool:
    pattern = re.sub(r"<[^>]+>|NN_name", "*", path).rstrip("/")
    names = [*tracked(), *outs(), *OTHERS]
    folders = {str(parent) for name in names for parent in Path(name).parents}
    if fnmatch.filter([*names, *folders], pattern):
        return True
    inside = [*(out for out in outs() if "." not in out), *OTHERS]
    return any(Path(pattern).is_relative_to(folder) for folder in inside) and _named(Path(pattern).name)


def _named(name: str) -> bool:
    """Return whether the code names this file or folder; for `*.parquet` and `source=x` a part is enough."""
    key, sign, _ = name.partition("=")
    stem, _, ending = name.rpartition(".")
    words = [name.strip("*"), key + sign if sign else name, f'"{stem}"' if ending == "parquet" else name]
    return any(word in code() for word in words if word)


def wrong_files(text: str) -> list[str]:
    """Return files named in inline code without a folder, like `params.yaml`, that do not exist."""
    names = {span for span in spans(text) if re.fullmatch(rf"[\w.-]+\.(?:{ENDINGS})", span)}
    existing = {Path(name).name for name in [*tracked(), *outs()]}
    return [f"{name}: no such file" for name in sorted(names - existing) if name not in code()]


def wrong_links(text: str, document: Path) -> list[str]:
    """Return links and images with a missing file or heading."""
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", text)):
        name, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = (document.parent / name) if name else document
        if not file.exists() or (name and file.is_file() and str(file.resolve().relative_to(ROOT)) not in tracked()):
            wrong.append(f"{target}: no such file")
        elif anchor and anchor not in headings(text if file == document else file.read_text()):
            wrong.append(f"{target}: no such heading")
    return wrong


def headings(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a document."""
    lines = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


def commands(text: str) -> list[tuple[list[str], bool]]:
    """Return command lines as words, and whether they are complete: in a sentence, a name alone is enough."""
    lines = [(line, True) for block in blocks(text, SHELL) for line in block.replace("\\\n", " ").splitlines()]
    lines += [(span, False) for span in spans(text)]
    return [(words, whole) for line, whole in lines for words in _words(line)]


def _words(line: str) -> list[list[str]]:
    """Split a shell line into simple commands, without comments, redirections and leading variables."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:  # an open quote: not a shell line
        return []
    parts: list[list[str]] = [[]]
    for token in tokens:
        if set(token) <= set(";&|"):
            parts.append([])
        else:
            parts[-1].append(token)
    simple_commands = []
    for part in parts:
        part = part[: next((n for n, token in enumerate(part) if set(token) <= set("<>")), len(part))]
        while part and re.match(r"\w+=|\$$", part[0]):
            part = part[1:]
        simple_commands.append(part)
    return [part for part in simple_commands if part]


def wrong_commands(text: str) -> list[str]:
    """Return command lines of recomart, dvc, make, git, python and pip that these programs would refuse."""
    checks = {"recomart": _recomart, "dvc": _dvc, "make": _make, "git": _git, "python": _python, "pip": _pip}
    wrong = []
    for words, whole in commands(text):
        check = checks.get(words[0])
        if check and len(words) > 1 and (problem := check(words[1:], whole)):
            wrong.append(f"{' '.join(words)}: {problem}")
    return wrong


def _recomart(words: list[str], whole: bool) -> str | None:
    if words[0] in COMPLETION:
        return None if len(words) == 1 else f"no argument after {words[0]}"
    command, name, parent = get_command(app), "recomart", None
    try:
        while True:
            context = command.make_context(name, list(words), parent=parent)
            if not hasattr(command, "commands"):
                return None
            rest = [*context._protected_args, *context.args]
            if not rest and command.invoke_without_command:
                return None
            name, command, words = command.resolve_command(context, rest)
            parent = context
    except Exception as problem:  # Typer ships Click under a name of its own
        if type(problem).__name__ == "NoArgsIsHelpError":
            return None
        if type(problem).__name__ == "MissingParameter" and not whole:
            return None
        return str(problem) or type(problem).__name__


def _dvc(words: list[str], whole: bool) -> str | None:
    parsed = _parsed(words) or (not whole and _parsed([*words, "x"]))  # a sentence may omit an option's value
    if not parsed:
        return "dvc does not know this"
    if parsed.cmd in ("repro", "status"):
        unknown = [name for name in parsed.targets or [] if name not in [*dvc_graph.read(ROOT), *outs(), "x"]]
        return f"no stage {unknown[0]}" if unknown and "<" not in unknown[0] else None
    changes = [change.partition("=")[0] for change in getattr(parsed, "set_param", None) or []]
    return next((f"no parameter {name}" for name in changes if whole and not _parameter(name)), None)


def _parsed(words: list[str]) -> Namespace | None:
    """Parse the words with DVC's own parser; None if it refuses them."""
    output = io.StringIO()
    with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output), contextlib.suppress(DvcParserError):
        return get_main_parser().parse_args(words)
    return None


def _make(words: list[str], whole: bool) -> str | None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+):", text, re.MULTILINE))
    for word in words:
        name, sign, _ = word.partition("=")
        if sign and f"$({name})" not in text:
            return f"the Makefile does not use {name}"
        if not sign and re.fullmatch(r"[\w-]+", word) and word not in targets:
            return f"no target {word}"
    return None


def _git(words: list[str], whole: bool) -> str | None:
    process = subprocess.run(["git", "--list-cmds=main"], capture_output=True, text=True, check=True)
    return None if words[0].startswith("-") or words[0] in process.stdout.split() else "git does not know this"


def _python(words: list[str], whole: bool) -> str | None:
    if words[0] == "-m" and len(words) > 1 and words[1].startswith(("recomart", "tools")):
        return None if (ROOT / f"{words[1].replace('.', '/')}.py").exists() else "no such module"
    return None if words[0].startswith("-") or (ROOT / words[0]).exists() else "no such file"


def _pip(words: list[str], whole: bool) -> str | None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {extra for word in words for extra in re.findall(r"^\.\[([\w-]+)\]$", word)}
    files = [word for word in words if word.endswith((".txt", ".lock"))]
    missing = [*(extras - set(project["optional-dependencies"])), *(f for f in files if not (ROOT / f).exists())]
    return f"no {missing[0]}" if missing else None


def wrong_parameters(text: str) -> list[str]:
    """Return `section.key` in inline code whose section is in params.yaml, but whose key is not."""
    sections = "|".join(yaml.safe_load((ROOT / "params.yaml").read_text()))
    matches = [re.fullmatch(rf"(?:params\.yaml: )?((?:{sections})\.[\w.*]+)(?:[:=] .*)?", span) for span in spans(text)]
    names = {match[1] for match in matches if match}
    return [f"params.yaml has no {name}" for name in sorted(names) if not _parameter(name)]


def _parameter(name: str) -> bool:
    """Return whether params.yaml has this key or pattern, like `prepare.weight_*`, or this is the name of a file."""
    if name in {Path(path).name for path in [*tracked(), *outs()]}:
        return True
    level = yaml.safe_load((ROOT / "params.yaml").read_text())
    for part in name.split("."):
        if not isinstance(level, dict) or not (keys := fnmatch.filter(map(str, level), part)):
            return level == {}  # like validate.rules: any key is allowed
        level = level[keys[0]]
    return True
