"""Every process of a parallel run collects the same tests: nothing that is read on import changes by the moment."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
CHANGING = re.compile(r"(^|\.)(now|utcnow|today|time\.time|time_ns|uuid[14]|urandom|mkd?temp)$")
RUN_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def read_on_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that an import evaluates: of functions only their decorators and defaults, not their bodies."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if isinstance(node, RUN_LATER):
            parts = [*getattr(node, "decorator_list", []), node.args]
            yield from (found for part in parts for found in (part, *read_on_import(part)))
        else:
            yield from read_on_import(node)


def changing_calls(code: str) -> list[str]:
    """The calls on import whose answer is another one in the next process, like `datetime.now(UTC)`."""
    calls = [node.func for node in read_on_import(ast.parse(code)) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if CHANGING.search(ast.unparse(call))]


@pytest.mark.parametrize(
    "code",
    [
        "SOON = f'{datetime.now(UTC)}'",
        "@mark.parametrize('day', [date.today()])\ndef test(day): pass",
        "def test(until=time.time()): pass",
        "class Case:\n    id = str(uuid4())",
    ],
)
def test_a_call_on_import_is_found(code):
    assert len(changing_calls(code)) == 1


def test_a_call_in_a_test_is_none_on_import():
    assert changing_calls("def test():\n    return datetime.now(UTC), lambda: time.time()") == []


@pytest.mark.parametrize("module", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_tests_do_not_change_with_the_moment_of_their_collection(module):
    assert changing_calls(module.read_text()) == []
