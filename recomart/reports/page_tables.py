"""Tables for people: named, with scopes, plain names of models, at most seven columns in view, and cards on a phone.

Nothing needs to be known about a table: its own HTML says what it has. The page's script sorts and filters it.
"""

from __future__ import annotations

import re

from bs4 import BeautifulSoup, Tag

from recomart_lib.core import machine_paths
from recomart_lib.core.model_names import MODEL_NAMES, plain

IN_VIEW = 7  # columns
SORTED = 3  # rows; a table of properties and their values, which are no numbers, stays in its order
FILTERED = 10  # a table with more rows gets a filter
CARDS = 3  # with as many columns, a row becomes a card on a phone; a narrower table fits
NUMERIC = re.compile(r"[-+\u2212\d.,:%/ eE]*|NaN|NaT|None|null|inf|-inf")
OF_MODELS = re.compile(r"\b(model|models|rival|baseline|ranker|chosen|compared with)\b", re.IGNORECASE)
LONG = re.compile(r"[^\s_/]{21}")  # a part of a word that may be broken anywhere, so that all columns fit
NAME, BREAK = re.compile(r"\S{13}"), re.compile(r"(?<=\w[_/])(?=\w)")  # a long word, and where it may be broken
SPANS = ("colspan", "rowspan")
HEADINGS = ["h1", "h2", "h3", "h4", "summary"]
UNSEEN = "unseen"  # the class of what only screen readers have

Column = list[Tag]


def improve(soup: BeautifulSoup) -> None:
    """Change all tables of the page."""
    for number, table in enumerate(soup.find_all("table"), start=1):
        if table.find_parent("table") is None:
            _improve(soup, table, f"table{number}")
    _name_twins(soup)


def break_words(soup: BeautifulSoup) -> None:
    """Let long names in cells break behind `_` and `/`: the last step, as it parts their text."""
    for cell in soup.find_all(["td", "th"]):
        for string in cell.find_all(string=NAME):
            first, *others = BREAK.split(machine_paths.hide(str(string)))  # a path is found as a whole
            for part in reversed(others):
                string.insert_after(soup.new_tag("wbr"), part)
            if others:
                string.replace_with(first)


def join_words(soup: BeautifulSoup) -> None:
    """Undo `break_words`, for those who look for words."""
    for mark in soup.find_all("wbr"):
        mark.decompose()
    soup.smooth()


def _improve(soup: BeautifulSoup, table: Tag, name: str) -> None:
    _name(soup, table)
    head, body = _rows(table)
    for cell in table.find_all("th"):
        if _text(cell):
            cell["scope"] = "row" if cell.find_parent("tbody") else "col"
        else:
            cell.name = "td"  # an empty header would be announced as one
    if any(cell.has_attr(span) for cell in table.find_all(["td", "th"]) for span in SPANS) or not body:
        _wrap(soup, table)
        return
    columns = _columns(head, body)
    for header, cells in columns:
        _mark_numbers(header, cells)
        _name_models(soup, header, cells)
        for cell in cells:
            cell["data-label"] = _text(header) if header else ""
            if LONG.search(_text(cell)):
                _add_class(cell, "long")
    _name_headers(soup, [header for header, _ in columns])
    for row in body:
        _row_header(row)
    table["class"] = [*table.get("class", []), *(["cards"] if len(columns) >= CARDS else [])]
    if len(body) >= SORTED and (len(columns) > 2 or columns[-1][1][0].get("class") == "n"):
        table["data-sortable"] = ""
    if len(body) > FILTERED:
        table["data-filterable"] = ""
    _fold(soup, _wrap(soup, table), columns, name)


def _rows(table: Tag) -> tuple[list[Tag], list[Tag]]:
    """The cells of the header's rows; the rows of the body."""
    head = [row for part in table.find_all("thead") for row in part.find_all("tr")]
    body = [row for part in table.find_all("tbody") for row in part.find_all("tr")]
    return head, body


def _columns(head: list[Tag], body: list[Tag]) -> list[tuple[Tag | None, Column]]:
    """(header, cells) of each column; counted from the right, since an index does not always have a header."""
    width = max(len(_cells(row)) for row in body)
    headers = _cells(head[-1]) if head else []
    padded = [None] * (width - len(headers)) + headers[-width:]
    rows = [_cells(row) for row in body]
    return [
        (header, [row[place - width] for row in rows if len(row) >= width - place])
        for place, header in enumerate(padded)
    ]


def _cells(row: Tag) -> list[Tag]:
    return row.find_all(["th", "td"], recursive=False)


def _text(cell: Tag) -> str:
    return " ".join(cell.get_text(" ").split())


def _name(soup: BeautifulSoup, table: Tag) -> None:
    """Without a caption, the heading above is the table's, for those who do not see that it stands above."""
    folds = [None, *table.find_parents("details")]
    above = (heading for heading in table.find_all_previous(HEADINGS) if heading.find_parent("details") in folds)
    heading = next(above, None)
    if table.find("caption") or heading is None or table.has_attr("aria-label"):
        return
    caption = soup.new_tag("caption", attrs={"class": UNSEEN})
    caption.string = " ".join(heading.get_text().split())
    table.insert(0, caption)


def _name_twins(soup: BeautifulSoup) -> None:
    """Number the tables that would have the same caption."""
    twins: dict[str, list[Tag]] = {}
    for caption in soup.select(f"caption.{UNSEEN}"):
        twins.setdefault(_text(caption), []).append(caption)
    for text, captions in twins.items():
        for number, caption in enumerate(captions, start=1):
            if len(captions) > 1:
                caption.string = f"{text} ({number} of {len(captions)})"


def _wrap(soup: BeautifulSoup, table: Tag) -> Tag:
    """The box around the table, which scrolls if it must."""
    parent = table.parent
    if parent is not None and "wide" in parent.get("class", []):
        return parent
    return table.wrap(soup.new_tag("div", attrs={"class": "wide"}))


def _mark_numbers(header: Tag | None, cells: Column) -> None:
    """Numbers are aligned to the right, unless the table says otherwise."""
    texts = [_text(cell) for cell in cells]
    if not any(texts) or not all(map(NUMERIC.fullmatch, texts)):
        return
    for cell in [*([header] if header else []), *cells]:
        if not cell.has_attr("class") and "text-align" not in cell.get("style", ""):
            cell["class"] = "n"


def _name_models(soup: BeautifulSoup, header: Tag | None, cells: Column) -> None:
    """In a column of models, the plain name with the technical one below."""
    texts = {_text(cell) for cell in cells} - {"", "-"}
    only_models = len(texts) > 1 and texts <= MODEL_NAMES.keys()
    if only_models or (header and OF_MODELS.search(_text(header))):
        for cell in cells:
            _name_model(soup, cell)


def _name_headers(soup: BeautifulSoup, headers: list[Tag | None]) -> None:
    """In a table with a column per model, the same."""
    models = [header for header in headers if header and _text(header) in MODEL_NAMES]
    for header in models if len(models) > 1 else []:
        _name_model(soup, header)


def _name_model(soup: BeautifulSoup, cell: Tag) -> None:
    name = _text(cell)
    if name not in MODEL_NAMES or len(strings := list(cell.find_all(string=lambda text: text.strip()))) != 1:
        return
    small = soup.new_tag("small", attrs={"class": "tech"})
    small.string = name
    inner = strings[0].parent
    strings[0].replace_with(plain(name))
    (inner if inner.name != "code" else cell).append(small)
    if inner.name == "code":
        inner.unwrap()


def _row_header(row: Tag) -> None:
    """The first cell names the row."""
    first = _cells(row)[0] if _cells(row) else None
    if first is not None and first.name == "td" and _text(first):
        first.name = "th"
        first["scope"] = "row"


def _fold(soup: BeautifulSoup, box: Tag, columns: list[tuple[Tag | None, Column]], name: str) -> None:
    """Hide the columns beyond the seventh behind a checkbox, which needs no script."""
    extra = columns[IN_VIEW:]
    if not extra:
        return
    for header, cells in extra:
        for cell in [*([header] if header else []), *cells]:
            _add_class(cell, "extra")
    label = soup.new_tag("label", attrs={"class": "columns"})
    label.append(soup.new_tag("input", attrs={"type": "checkbox", "id": name, "autocomplete": "off"}))
    names = ", ".join(_text(header) for header, _ in extra if header and _text(header))
    label.append(f" Show all columns: also {names}" if names else " Show all columns")
    box.insert(0, label)


def _add_class(cell: Tag, name: str) -> None:
    classes = cell.get("class", [])
    cell["class"] = [*(classes.split() if isinstance(classes, str) else classes), name]
