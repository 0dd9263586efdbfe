"""A figure of a notebook (Matplotlib's SVG) as part of a page: it follows the page's theme, and its marks have values.

Only what Matplotlib writes is copied: elements, attributes and styles that are not in the lists below are left out, so
nothing that came with the data can run or load anything.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from recomart_lib.core import figure_values
from recomart_lib.core.colours import PAPER, THEMED

ELEMENTS = {"svg", "g", "path", "use", "defs", "clipPath", "rect", "text", "tspan", "image"}
ATTRIBUTES = {"id", "d", "style", "transform", "clip-path", "x", "y", "width", "height", "viewBox", "href"}
MARKS = ("path", "use", "image")
NUMBERS = ("d", "x", "y", "width", "height", "transform")
STYLES = re.compile(
    r"(fill|stroke)(-[a-z]+)?|opacity|font-(size|weight|style)|text-anchor|(?:image-rendering)"
)  # the page's own font is used: a figure is laid out for a wide one
VALUE = re.compile(r"[\w\s.,#%()+-]*")
LOCAL = re.compile(r"#([\w.-]+)|url\(#([\w.-]+)\)")
PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=\s]+")
BACKGROUND = f"fill:var({THEMED[PAPER]})"
PIXELS_PER_POINT = 96 / 72
EMPTY = "empty"  # class of the text in place of a figure that shows nothing
SMALLEST = 0.75  # of the usual size: below, a figure scrolls instead of becoming illegible on a phone


def inline(vector: str, alt: str, prefix: str) -> str:
    """The figure as HTML: a `figure` with an inline `svg`.

    Parameters
    ----------
    vector
        What Matplotlib wrote.
    alt
        What the figure shows, for those who do not see it; plain text.
    prefix
        Starts all ids of the figure, which must be unique in the page.

    Raises
    ------
    ElementTree.ParseError
        If it is no XML.
    """
    source = ElementTree.fromstring(vector)
    svg = _copy(source, _used_ids(source), prefix)
    if svg is None:
        return ""
    _remove_background(svg)
    if not any(element.tag in MARKS for element in svg.iter()):  # a figure that says why it is empty
        text = " ".join(" ".join(element.itertext()) for element in svg.iter("text"))
        return f'<p class="soft {EMPTY}">{html.escape(text)}</p>'
    _show_values(svg)
    width, height = map(float, svg.get("viewBox", "0 0 1 1").split()[2:])
    usual = width * PIXELS_PER_POINT
    svg.attrib |= {
        "role": "group" if svg.find(".//*[@tabindex]") is not None else "img",
        "aria-label": alt,
        "width": f"{usual:.0f}",
        "height": f"{height * PIXELS_PER_POINT:.0f}",
        "style": f"min-width:{usual * SMALLEST:.0f}px",
    }
    return f'<figure class="chart">{ElementTree.tostring(svg, encoding="unicode")}</figure>'


def _local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def _used_ids(source: Element) -> set[str]:
    """The ids that the figure refers to itself; the others are Matplotlib's names of its parts."""
    values = [value for element in source.iter() for value in element.attrib.values() if len(value) < 100]
    return {first or second for value in values for first, second in LOCAL.findall(value)}


def _copy(element: Element, used: set[str], prefix: str) -> Element | None:
    """The element with what is allowed of it."""
    if not isinstance(element.tag, str) or (tag := _local(element.tag)) not in ELEMENTS:
        return None
    copy = Element(tag)
    for name, value in element.attrib.items():
        texts = figure_values.texts_of(value) if name == "id" else []
        if texts:
            copy.set("values", value)  # until `_show_values`
        elif (kept := _attribute(_local(name), value, used, prefix)) is not None:
            copy.set(_local(name), kept)
    copy.text = element.text if tag in ("text", "tspan") else None
    for child in element:
        part = _copy(child, used, prefix)
        if part is not None and (len(part) or part.attrib or part.text):
            copy.append(part)
    return copy


def _attribute(name: str, value: str, used: set[str], prefix: str) -> str | None:
    """An attribute's value in the page; None to leave it out."""
    if name not in ATTRIBUTES:
        return None
    if name == "id":
        return f"{prefix}-{value}" if value in used else None
    if name == "style":
        return _style(value) or None
    if name in ("href", "clip-path"):
        local = LOCAL.fullmatch(value)
        if local:
            return value.replace("#", f"#{prefix}-")
        return value if name == "href" and PICTURE.fullmatch(value) else None
    if name in NUMBERS:
        value = re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)
        value = " ".join(value.split()).replace("rotate(-0 ", "rotate(0 ")
        return None if value.startswith("rotate(0 ") or not VALUE.fullmatch(value) else value
    return value if VALUE.fullmatch(value) else None


def _style(style: str) -> str:
    """The allowed styles; a colour of the theme becomes its variable."""
    kept = []
    for part in style.split(";"):
        name, _, value = (word.strip() for word in part.partition(":"))
        if STYLES.fullmatch(name) and VALUE.fullmatch(value):
            variable = THEMED.get(value.lower())
            kept.append(f"{name}:var({variable})" if variable else f"{name}:{value}")
    return ";".join(kept)


def _remove_background(svg: Element) -> None:
    """The page's own background is behind the figure: without the areas of the figure and of its axes."""
    for group in svg.iter("g"):
        for patch in [child for child in group if _is_background(child)]:
            group.remove(patch)
            break  # of a figure and of an axes, the background comes first


def _is_background(group: Element) -> bool:
    """Whether it is an area in the background's colour, without a clip: marks have one."""
    if group.tag != "g" or len(group) != 1 or "values" in group.attrib:
        return False
    return group[0].tag == "path" and group[0].attrib.keys() == {"d", "style"} and group[0].get("style") == BACKGROUND


def _show_values(svg: Element) -> None:
    """Give each mark its value: as a label, a tooltip, and a place that the keyboard reaches.

    Tab reaches the first value of a figure; the page's script moves on with the arrow keys.
    """
    first = True
    for group in [group for group in svg.iter() if "values" in group.attrib]:
        texts = figure_values.texts_of(group.attrib.pop("values"))
        places = list(_marks(group))
        if len(places) != len(texts):  # such as points outside the figure, which are not drawn
            texts, places = ["; ".join(texts)], []
        if not places:
            _describe(group, texts[0], first)
            first = False
        for (parent, mark), text in zip(places, texts, strict=False):
            wrapped = Element("g")
            parent[list(parent).index(mark)] = wrapped
            wrapped.append(mark)
            _describe(wrapped, text, first)
            first = False


def _marks(group: Element) -> Iterator[tuple[Element, Element]]:
    """(parent, mark): the markers of a line, else the shapes of the group."""
    parents = [parent for parent in group.iter() if parent.tag != "defs"]
    for tag in ("use", "path"):
        found = [(parent, child) for parent in parents for child in parent if child.tag == tag]
        if found:
            yield from found
            return


def _describe(group: Element, text: str, first: bool) -> None:
    group.attrib |= {"class": "value", "role": "img", "aria-label": text, "tabindex": "0" if first else "-1"}
    title = Element("title")
    title.text = text
    group.insert(0, title)
