"""Read a stage's notebook; a file that is no notebook is one sentence, with the line and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat.reader import NotJSONError

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

CONFLICT = re.compile(r"^(<{7}|\|{7}|={7}|>{7})(?: .*)?$", re.MULTILINE)  # the marks of Git


def read(name: str) -> nbformat.NotebookNode:
    """The notebook of a stage.

    Raises
    ------
    UserError
        If the file is missing, empty, has marks of a merge conflict, is not JSON, or is not a Python notebook.
    """
    file = paths.NOTEBOOKS / f"{name}.ipynb"
    text = _text(file)
    if mark := CONFLICT.search(text):
        line = text.count("\n", 0, mark.start()) + 1
        raise _mistake(file, f"line {line} is a mark of a merge conflict ({mark[0]}). Resolve the conflict")
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except NotJSONError as problem:
        where = problem.__cause__ or problem.__context__
        raise _mistake(file, f"line {getattr(where, 'lineno', 1)} is not JSON. Correct it") from None
    except Exception as problem:  # nbformat raises errors of many kinds on JSON that has another structure
        reason = str(problem).strip().split("\n")[0]
        raise _mistake(file, f"it has not the structure of a notebook ({reason}). Correct it") from None
    return _checked(notebook, file)


def _text(file: Path) -> str:
    try:
        text = paths.place(file).read_text(encoding="utf-8")
    except OSError as problem:
        raise _mistake(file, f"it cannot be read ({problem.strerror}). Put it there") from None
    except UnicodeDecodeError as problem:
        line = problem.object.count(b"\n", 0, problem.start) + 1
        raise _mistake(file, f"line {line} is not UTF-8. Save it as UTF-8") from None
    if not text.strip():
        raise _mistake(file, "the file is empty. Save it again")
    return text


def _checked(notebook: nbformat.NotebookNode, file: Path) -> nbformat.NotebookNode:
    if not notebook.cells or not notebook.cells[0].source.strip():
        raise _mistake(file, "its first cell, which has the title, is missing or empty. Write it")
    kernel = notebook.metadata.get("kernelspec", {})
    language = kernel.get("language") or notebook.metadata.get("language_info", {}).get("name")
    if language != "python":
        raise _mistake(
            file, 'its metadata name no Python kernel. Choose one in JupyterLab, or write "kernelspec" into it'
        )
    return notebook


def _mistake(file: Path, what: str) -> UserError:
    # without HEAD, Git refuses to restore a file that it could not merge
    restore = f"git checkout HEAD {file.as_posix()}"
    return UserError(f"{file.as_posix()} is no notebook: {what}, or restore the file: {restore}")


def title_of(notebook: nbformat.NotebookNode) -> str:
    """The first heading, `05 Features`."""
    return notebook.cells[0].source.splitlines()[0].lstrip("# ")


def question_of(notebook: nbformat.NotebookNode) -> str:
    """The question that the notebook answers: the first paragraph below its title, which is bold."""
    paragraphs = [part for part in notebook.cells[0].source.split("\n\n")[1:] if part.strip()]
    return paragraphs[0].replace("\n", " ").strip("* ") if paragraphs else ""
