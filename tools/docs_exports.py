"""Writes docs/exports.md from the definitions (`make docs`); a test checks that it is up to date."""

from __future__ import annotations

from pathlib import Path

from recomart.exports.definitions import EXPORTS
from recomart_lib.core import files, paths
from recomart_lib.recommend.segments import NO_ORDER, SEGMENT_SCORES

FILE = Path("docs/exports.md")
HEAD = """# Files for other systems

Generated from the definitions in `recomart/exports` by `make docs`; do not edit it by hand.

```bash
recomart export recommendations --out exports/lists.csv # for the mail tool
recomart export similar --out exports/similar.jsonl     # for the shop's pages
recomart export segments --format csv --raw --out -     # for a program that reads standard input
```

The tables are those of the last run of 08. In `recommendations` all [rules of the shop](lists.md) hold; in `new-users`
all but the share of users; in the others, except `segments`, those on products: allow, block, availability, stock.

The format is that of the file's ending, or `--format`. An existing file (of a link: the link) is replaced at the end,
complete: an error leaves it as it was. In the project's folder, files go into `exports/`, which Git ignores. Files with
customer ids are as confidential as the shop's own: [Security](security.md#which-data-is-where-and-for-how-long).

- `csv`: UTF-8 with a header line; missing values are empty. A byte order mark makes Excel read it as UTF-8. Texts that
  a spreadsheet would run as a formula, because they begin with `=`, `+`, `-`, `@`, a tab or a line break, get an
  apostrophe in front; the command says how many. `--raw` leaves out both: use it for programs. Columns are separated by
  commas: where Windows has a semicolon as list separator, import the file in Excel by Data > From Text/CSV.
- `jsonl`: UTF-8, one object per line; missing values are `null`.
- `parquet`: typed columns.

**Ids** are text, exactly as the shop writes them. A spreadsheet that opens a CSV file takes 00123 for the number 123:
import columns of ids as text. **Times** have the shop's time zone, with its offset, and are cut to the
second outside of Parquet: 2025-07-27T01:43:29+02:00.
"""
SEGMENTS = """## The segments

Recency (the last order), frequency (the number of orders) and monetary value (the spend) are each compared with all
customers who ordered (in money: whose spend is known): 5 if at least 80 % of them have a lower value, 4 if at least
60 %, and so on. Equal values have equal scores. The first two make the segment; order customers within it by `monetary`
or `spend`. In a shop whose events have no order ids, a day (UTC) on which a customer chose something (in a shop of
ratings: rated it) counts as an order.

| segment | recency | frequency |
|---|---|---|
"""


def markdown() -> str:
    """The whole document."""
    sections = [_section(name) for name in EXPORTS]
    rows = [f"| {name} | {_scores(recency)} | {_scores(often)} |" for name, (recency, often) in SEGMENT_SCORES.items()]
    table = SEGMENTS + "\n".join([*rows, f"| {NO_ORDER} | none | none |"])
    return "\n\n".join([HEAD.rstrip(), *sections, table]) + "\n"


def _section(name: str) -> str:
    export = EXPORTS[name]
    rows = "\n".join(f"| `{column}` | {meaning} |" for column, meaning in export.columns.items())
    return f"## `{name}`\n\nOne row: {export.row}.\n\n| column | what it is |\n|---|---|\n{rows}"


def _scores(values: tuple[int, ...]) -> str:
    return " or ".join(map(str, values))


if __name__ == "__main__":
    files.write_text(paths.place(FILE), markdown())
