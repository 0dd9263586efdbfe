"""docs/commands.md, made of the command line itself: `make docs` writes it, a test holds it against the commands."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recomart.cli import app
from recomart_lib.core import paths

FILE = Path("docs/commands.md")
HEAD = """# Commands

Made from the command line itself by `make docs`; do not edit it by hand. The option `--help`, after any command,
says the same; `recomart` alone lists all, and with `--install-completion` it lets the Tab key complete names.

- A command is run anywhere inside the project's folder; `RECOMART_ROOT` names another project.
- `show` without a name lists what there is, with a name it tells about one.
- Times are in UTC, a null is a dash. On a terminal long words are folded; into a pipe each row is one line.
- Exit status: 0, done; 1, a mistake that one sentence explains, or something found that should not be; 2, a command or
  option that does not exist; 130, ended by Ctrl-C.
"""


def markdown() -> str:
    """The whole document."""
    panels: dict[str, list[str]] = {}
    for words, command, panel in commands():
        panels.setdefault(panel, []).append(_section(words, command))
    sections = [f"## {panel}\n\n" + "\n\n".join(parts) for panel, parts in panels.items()]
    return "\n\n".join([HEAD.rstrip(), *sections]) + "\n"


def commands() -> Iterator[tuple[str, Any, str]]:
    """Every command that does something: its words, itself, the panel of `recomart --help` in which it is found."""
    for name, place in app.COMMANDS.items():
        command = app.loaded(name)
        if hasattr(command, "commands"):
            for inner in command.commands:
                yield f"recomart {name} {inner}", command.commands[inner], place.panel
        else:
            yield f"recomart {name}", command, place.panel


def examples(command: Any) -> list[str]:
    """The calls at the end of a command's help."""
    return [line.strip() for line in (command.epilog or "").splitlines() if line.strip().startswith("recomart")]


def _section(words: str, command: Any) -> str:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    usage = " ".join([words, *(param.metavar if param.required else f"[{param.metavar}]" for param in arguments)])
    listed = [f"- `{_name(param)}`: {_sentence(param)}" for param in (*arguments, *options)]
    parts = [f"### {usage}", _prose(command.help), "\n".join(listed)]
    return "\n\n".join(filter(None, [*parts, "\n".join(["```bash", *examples(command), "```"])]))


def _name(param: Any) -> str:
    names = ", ".join(param.opts) if param.param_type_name == "option" else ""
    return f"{names} {param.metavar or ''}".strip()


def _sentence(param: Any) -> str:
    """What an option means, what holds without it, and the environment variable that may say it."""
    said = [param.help]
    if param.required:
        said.append("Required.")
    elif isinstance(param.show_default, str):
        said.append(f"Default: {param.show_default}.")
    elif param.default not in (None, False, [], ()):
        said.append(f"Default: {param.default}.")
    return " ".join([*said, f"Also: `{param.envvar}`."] if param.envvar else said)


def _prose(text: str) -> str:
    return "\n\n".join(textwrap.fill(" ".join(part.split()), 120) for part in text.split("\n\n"))


if __name__ == "__main__":
    paths.place(FILE).write_text(markdown(), encoding="utf-8")
