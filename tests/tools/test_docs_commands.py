"""Style rules for all commands, valid examples, and an up-to-date docs/commands.md."""

from __future__ import annotations

import re
import shlex

import pytest
from conftest import ROOT

from recomart.cli import app
from tools import docs_commands

COMMANDS = {words: command for words, command, _ in docs_commands.commands()}
EXAMPLES = [(words, line) for words, command in COMMANDS.items() for line in docs_commands.examples(command)]


def parse(line: str) -> tuple[str, dict]:
    """The command of a line, and its parameters; nothing runs. A line that is wrong raises Click's usage error."""
    words = shlex.split(line, comments=True)
    if ">" in words:
        words = words[: words.index(">")]
    assert words.pop(0) == "recomart"
    fitting = [name for name in COMMANDS if line.split()[: len(name.split())] == name.split()]
    name = max(fitting, key=len)  # `recomart reports` is a command, and so is `recomart reports share`
    return name, COMMANDS[name].make_context(name, words[len(name.split()) - 1 :]).params


def test_the_document_is_up_to_date():
    assert (ROOT / docs_commands.FILE).read_text(encoding="utf-8") == docs_commands.markdown(), "run: make docs"


@pytest.mark.parametrize(("words", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_is_a_call_of_its_command(words, line):
    assert parse(line)[0] == words


@pytest.mark.parametrize(
    "line", ["recomart features get", "recomart lake show --nope", "recomart recommend --user u -k 0"]
)
def test_an_invalid_example_is_detected(line):
    with pytest.raises(Exception, match=r"user|--nope|greater than or equal to 1") as problem:
        parse(line)
    assert problem.value.exit_code == 2


def test_k_has_a_short_name():
    assert parse("recomart recommend --user ID -k 7")[1]["k"] == 7
    assert parse("recomart recommend --user ID --k 7")[1]["k"] == 7


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_examples_and_one_sentence(words):
    command = COMMANDS[words]
    assert 1 <= len(docs_commands.examples(command)) <= 3
    first = command.help.split("\n\n")[0]
    assert re.fullmatch(r"[A-Z][^.]*(\.(?! )[^.]*)*\.", " ".join(first.split())), f"one sentence: {first}"
    assert len(first) <= 100
    later = command.help.split("\n\n")[1:]
    assert all(len(line) <= 78 for part in later for line in part.split("\n")), "Typer does not wrap these lines"
    verb = first.split()[0].rstrip(",")
    assert not verb.endswith("s"), f"'{verb}' must be an imperative: List, not Lists"


@pytest.mark.parametrize("words", COMMANDS)
def test_every_option_has_a_help_text_and_a_metavar(words):
    for param in COMMANDS[words].params:
        assert re.fullmatch(r"[A-Za-z@].*\.", param.help), (words, param.name)
        assert "efault" not in param.help, "defaults are shown separately"
        if not getattr(param, "is_flag", False):
            assert re.fullmatch(r"[A-Z]+(=[A-Z]+)?", param.metavar), (words, param.name)


def test_an_option_has_the_same_help_in_all_commands():
    texts: dict[str, set] = {}
    for command in COMMANDS.values():
        for param in command.params:
            if param.param_type_name == "option":
                for name in param.opts:
                    texts.setdefault(name, set()).add((param.help, param.metavar, tuple(param.opts)))
    assert {name: variants for name, variants in texts.items() if len(variants) > 1} == {}
    assert len(texts["--rows"]) == 1


def test_show_needs_no_name():
    shows = [command for words, command in COMMANDS.items() if words.endswith(" show")]
    assert len(shows) == 6
    assert not any(param.required for command in shows for param in command.params)


def test_panels_are_in_the_order_of_the_pipeline():
    panels = [entry.panel for entry in app.COMMANDS.values()]
    assert list(dict.fromkeys(panels)) == [app.PIPELINE, app.DATA, app.SERVING, app.STREAMS, app.INTEGRATION]
    assert panels == sorted(panels, key=list(dict.fromkeys(panels)).index)


@pytest.mark.parametrize("name", app.COMMANDS)
def test_the_table_of_commands_has_each_command_s_help(name):
    assert app.COMMANDS[name].help == " ".join(app.load_command(name).help.split("\n\n")[0].split())


@pytest.mark.parametrize("path", sorted((ROOT / "recomart" / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_only_output_py_prints(path):
    if path.stem not in ("output", "document", "airflow"):  # JSON is escaped; a DAG file is code, printed unchanged
        assert not re.search(r"typer\.s?echo\(", path.read_text())
