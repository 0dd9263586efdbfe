"""How the records of a file are stored."""

from __future__ import annotations

from dataclasses import dataclass, field

from recomart_lib.core.shop_tables import Table


@dataclass(frozen=True)
class Layout:
    """How the records of a file are stored; `encoding` is None where the file itself says it.

    `other_encodings` read the text differently and are as plausible. `names` are the delivered columns. `is_mixed`: of
    several files with different headers; `names` are those that all of them have. `skip_lines` are above the header.
    `records`: the path of the list in a file that is one object. `explode`: the path of a list in each record, whose
    entries are the rows.
    """

    kind: str
    names: list[str]
    encoding: str | None = None
    other_encodings: list[str] = field(default_factory=list)
    separator: str = ","
    has_header: bool = True
    is_header_sure: bool = True
    sheet: str | None = None
    skip_lines: int = 0
    is_skip_sure: bool = True
    is_packed: bool = False
    is_mixed: bool = False
    records: str | None = None
    explode: str | None = None

    def table(self, path: str = "*") -> Table:
        """How the project's readers read such a file."""
        keys = {"kind": self.kind, "path": path, "separator": self.separator, "sheet": self.sheet}
        keys |= {"records": self.records, "explode": self.explode}
        header = None if self.has_header else self.names
        keys["skip_lines"] = self.skip_lines
        return Table(**keys, encoding=self.encoding or "utf-8", header=header)

    def key(self) -> tuple:
        """Files with equal keys may be read as one table."""
        of_text = (self.separator, self.has_header, self.sheet, self.skip_lines)
        return (self.kind, *of_text, tuple(self.names), self.records)
