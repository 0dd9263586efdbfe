"""Read the project's YAML files: each value with its line and as it is written, and every mistake as one sentence.

YAML has words and numbers of its own: it reads NO as false, NULL as nothing, 010 as 8, 12:30 as 750 and 2025-11-01 as a
date. Here, keys are always text, only plain decimal numbers are numbers, and days are text. What is left (`no`, `null`,
`1`) is kept beside its value as it is written, so that `config.validated` can use it where a key wants text.

A few lines of YAML can stand for more values than any memory holds, each repeated by aliases: what a file may hold is
bounded, far above what people write.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from recomart_lib.core.errors import UserError

Location = tuple[str | int, ...]  # of a value: keys, and positions in lists

MAX_BYTES = 250_000  # of a file
MAX_LEVELS = 50  # of mappings and lists in each other
MAX_ALIASES = 100
MAX_VALUES = 100_000  # of a file, those repeated by aliases included
MAX_SHOWN = 100  # characters of a value in a message
NO_KEY = "a key must be a word, not a list or a mapping"
TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "null", "bool", "int", "float", "seq", "map")}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
UTF_8_MARK = b"\xef\xbb\xbf"
NEXT_LINE = "\x85"  # "\N", which MySQL and PostgreSQL write for null, means this to YAML
CONFLICT = re.compile(r"^<{7} .*$", re.MULTILINE)  # a mark of Git
# what PyYAML says -> what is wrong, and what to do
ADVICE = {
    r"character '\\t'": "a tab; indent with spaces",
    r"could not find expected ':'": "no `key: value`; the colon, or the space after it, is missing",
    r"mapping values are not allowed": "a colon that does not belong here; put text with a colon in quotes, "
    "indent keys of one mapping equally, and look whether the line before lacks its colon, or the space after it",
    r"expected ',' or '[\]}]'": "a comma is missing, or the closing bracket (what follows a # is a comment)",
    r"expected <block end>, but found '<scalar>'": "text behind a closing quote; inside '...', write ' twice",
    r"expected <block end>": "wrong indentation; keys of one mapping begin in the same column",
    r"unexpected end of stream": "a quote that is not closed",
    r"while scanning a quoted scalar|unknown escape": "a backslash that YAML does not know; use single quotes",
    r"duplicate anchor": "an anchor (&) of this name is in the file already",
    r"undefined alias|scanning an alias": "an alias (*) without its anchor (&); put text that begins with * in quotes",
    r"another document": "a second document (---); keep one",
    r"sequence entries are not allowed": "a list cannot begin here; put the text - in quotes",
    r"cannot start any token": "put a text that begins with this character in quotes",
}


class Place(NamedTuple):
    """Where a value is: its line (of its key, in a mapping), and its text as it is written.

    `written` is None for text in quotes, lists and mappings: they are what they look like.
    """

    line: int
    written: str | None


class Document(dict[str, Any]):
    """The mapping in a file, with the place of each of its values."""

    def __init__(self, content: dict[str, Any], places: dict[Location, Place]) -> None:
        super().__init__(content)
        self.places = places


class _Loader(yaml.SafeLoader):
    """Resolves fewer words than YAML: no dates, no octal, hexadecimal or sexagesimal numbers; but 1e-3 is a number."""

    yaml_implicit_resolvers: ClassVar[dict] = {}

    def __init__(self, text: str, path: Path) -> None:
        super().__init__(text)
        self._path, self._n_levels, self._n_aliases = path, 0, 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()
        self._n_aliases += isinstance(event, yaml.AliasEvent)
        if self._n_aliases > MAX_ALIASES:
            raise self._refusal(event, f"more than {MAX_ALIASES} aliases (*)")
        if self._n_levels == MAX_LEVELS:
            raise self._refusal(event, f"mappings or lists in each other on more than {MAX_LEVELS} levels")
        self._n_levels += 1
        node = super().compose_node(parent, index)
        self._n_levels -= 1
        return node

    def compose_scalar_node(self, anchor: str | None) -> ScalarNode:
        """Join the halves in which JSON writes characters such as emojis; half of one cannot be written to a file."""
        node = super().compose_scalar_node(anchor)
        if node.style == '"':
            try:
                node.value = node.value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            except UnicodeDecodeError:
                raise self._refusal(node, "half of a character; write the character itself, not its number") from None
        return node

    def flatten_mapping(self, node: MappingNode) -> None:
        """Merge `<<: *other`; each key comes once, as mappings that are merged repeatedly double with each level."""
        super().flatten_mapping(node)
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                raise self._refusal(key, NO_KEY)
        node.value = list({key.value: (key, item) for key, item in node.value}.values())

    def _refusal(self, place: yaml.Event | Node, problem: str) -> UserError:
        return UserError(f"{self._path}, line {place.start_mark.line + 1}: {problem}.")


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"(?i:yes|no|true|false|on|off)", list("yYnNtTfFoO")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
        r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


def read_yaml(path: Path) -> Document:
    """The mapping in a YAML file.

    Raises
    ------
    UserError
        If the file is missing, is not UTF-8 (a byte order mark is accepted), is not valid YAML, or is not a mapping,
        or if a mapping has a key twice; names the line.
    """
    text = _text(path)
    if mark := CONFLICT.search(text):
        line = text.count("\n", 0, mark.start()) + 1
        raise UserError(f"{path}, line {line} is a mark of a merge conflict ({mark[0]}). Resolve the conflict.")
    try:
        loader = _Loader(text, path)
        node = loader.get_single_node()
        if not isinstance(node, MappingNode):
            found = {type(None): "an empty file", SequenceNode: "a list"}.get(type(node), "a text")
            raise UserError(f"{path}: expected `key: value` lines, found {found}.")
        builder = _Builder(loader, path)
        return Document(builder.value(node, ()), builder.places)
    except ReaderError as problem:
        line, code = text.count("\n", 0, problem.position) + 1, ord(text[problem.position])
        raise UserError(f"{path}, line {line}: the character U+{code:04X} is not allowed.") from None
    except yaml.MarkedYAMLError as problem:
        raise UserError(_syntax_mistake(path, problem)) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except OSError as problem:
        raise UserError(f"{path} cannot be read: {problem.strerror}.") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"{path} has more than {MAX_BYTES:,} bytes, the limit for a file of settings.")
    if content.startswith(UTF_16) or b"\x00" in content[:4]:
        raise UserError(f"{path} is UTF-16, or no text. Save it as UTF-8.")
    try:
        return content.removeprefix(UTF_8_MARK).decode("utf-8")
    except UnicodeDecodeError as problem:
        line, byte = content.count(b"\n", 0, problem.start) + 1, content[problem.start]
        raise UserError(f"{path}, line {line}: the byte 0x{byte:02x} is not UTF-8. Save the file as UTF-8.") from None


def _syntax_mistake(path: Path, problem: yaml.MarkedYAMLError) -> str:
    message = f"{problem.context or ''}: {problem.problem or ''}".strip(": ")
    advice = next((text for pattern, text in ADVICE.items() if re.search(pattern, message)), message)
    begins = problem.context_mark
    # of a key without a colon, YAML notices the end; of a bracket or quote that is not closed, something far behind it
    marked = begins if begins and "simple key" in (problem.context or "") else problem.problem_mark or begins
    line = marked.line + 1 if marked else 1
    since = f" (of what begins in line {begins.line + 1})" if begins and begins.line + 1 < line else ""
    return f"{path} is not valid YAML, line {line}{since}: {advice}."


class _Builder:
    """Builds values from YAML's nodes, and remembers the place of each."""

    def __init__(self, loader: _Loader, path: Path) -> None:
        self._loader, self._path, self._n_values = loader, path, 0
        self._open: set[int] = set()  # nodes around the current one
        self._without_repeats: set[int] = set()
        self.places: dict[Location, Place] = {}

    def value(self, node: Node, location: Location, line: int | None = None) -> Any:
        """The value of a node; `line` is that of its key."""
        line = line or node.start_mark.line + 1
        self._n_values += 1
        if self._n_values > MAX_VALUES:
            raise UserError(f"{self._path}, line {line}: aliases (*) repeat more than {MAX_VALUES:,} values.")
        if node.tag not in TAGS:
            raise UserError(f"{self._path}, line {line}: the tag {node.tag} is not supported.")
        if isinstance(node, ScalarNode):
            self.places[location] = Place(line, None if node.style else node.value)
            return self._scalar(node, line)
        if id(node) in self._open:
            raise UserError(f"{self._path}, line {line}: an anchor (&) that contains itself (*).")
        self.places[location] = Place(line, None)
        self._open.add(id(node))
        value = self._mapping(node, location) if isinstance(node, MappingNode) else self._list(node, location)
        self._open.remove(id(node))
        return value

    def _scalar(self, node: ScalarNode, line: int) -> Any:
        if node.style == '"' and NEXT_LINE in node.value:
            raise UserError(
                f"{self._path}, line {line}: YAML reads \\N in double quotes as an end of line; write '\\N'."
            )
        try:
            return self._loader.construct_object(node)
        except (ValueError, KeyError):
            shown = node.value[:MAX_SHOWN]
            raise UserError(f"{self._path}, line {line}: '{shown}' is not what its tag says.") from None

    def _list(self, node: SequenceNode, location: Location) -> list[Any]:
        return [self.value(item, (*location, position)) for position, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        if id(node) not in self._without_repeats:  # a mapping with an alias is built twice, and has merged keys then
            self._refuse_repeated_keys(node, location)
            self._without_repeats.add(id(node))
        self._loader.flatten_mapping(node)  # merges `<<: *other`; keys of its own come last and win
        return {
            key.value: self.value(item, (*location, key.value), key.start_mark.line + 1) for key, item in node.value
        }

    def _refuse_repeated_keys(self, node: MappingNode, location: Location) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                raise UserError(f"{self._path}, line {line}: {NO_KEY}.")
            if key.value in lines:
                name = ".".join(map(str, (*location, key.value)))
                raise UserError(
                    f"{self._path}, line {line}: the key {name} is also in line {lines[key.value]}. Keep one of them."
                )
            lines[key.value] = line
