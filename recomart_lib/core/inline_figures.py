"""How a notebook stores its figures: as SVG with text as text, where that is small; otherwise as PNG.

SVG is sharp at every size, and a page can show its exact values and adapt its colours. Equal figures are equal bytes.
"""

from __future__ import annotations

import base64
import io
from typing import Any
from xml.etree import ElementTree

import matplotlib.pyplot as plt
from IPython import get_ipython
from matplotlib.figure import Figure

MAX_SVG = 150_000  # characters; a figure with more marks is a PNG
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # the date would differ from run to run
PNG_SCALE = 2  # pixels of a PNG per pixel of a page, for sharp screens
Bundle = tuple[dict[str, str], dict[str, dict[str, Any]]]


def use() -> None:
    """Store the figures of this notebook so; does nothing outside a notebook."""
    shell = get_ipython()
    if shell is None:
        return
    plt.switch_backend(plt.get_backend())  # loads the notebook's backend, which sets formats of its own
    shell.display_formatter.mimebundle_formatter.for_type(Figure, bundle)
    for kind in ("image/png", "image/svg+xml"):
        shell.display_formatter.formatters[kind].pop(Figure, None)


def bundle(figure: Figure) -> Bundle:
    """The figure for a notebook's output: data by MIME type, and metadata with its alternative text (`alt`)."""
    alt = alternative_text(figure)
    vector = svg(figure)
    if len(vector) <= MAX_SVG and _is_readable(vector):
        return {"image/svg+xml": vector}, {"image/svg+xml": {"alt": alt}}
    pixels = png(figure)
    width, height = (int.from_bytes(pixels[start : start + 4], "big") // PNG_SCALE for start in (16, 20))
    return {"image/png": base64.b64encode(pixels).decode()}, {
        "image/png": {"alt": alt, "width": width, "height": height}
    }


def alternative_text(figure: Figure) -> str:
    """What the figure says and what its axes are, on one line: its titles, then the names of its axes."""
    parts = [figure.get_suptitle()]
    for ax in figure.axes[:1]:
        parts += [ax.get_title("left"), *(text.get_text() for text in ax.texts if text.get_gid() == "about")]
    parts += [text for ax in figure.axes[:1] for text in (ax.get_xlabel(), ax.get_ylabel())]
    parts += [text.get_text() for text in figure.axes[0].texts[:1]] if figure.axes and not any(parts) else []
    return " ".join(f"{' '.join(part.split()).rstrip('.')}." for part in parts if part.strip())


def svg(figure: Figure) -> str:
    """The figure as SVG, without a date."""
    drawn = io.StringIO()
    figure.canvas.print_figure(drawn, format="svg", bbox_inches="tight", dpi=PNG_SCALE * 96, metadata=NO_METADATA)
    return drawn.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as PNG, at twice its size on a page."""
    drawn = io.BytesIO()
    figure.canvas.print_figure(
        drawn, format="png", bbox_inches="tight", dpi=PNG_SCALE * 96, metadata={"Software": None}
    )
    return drawn.getvalue()


def _is_readable(vector: str) -> bool:
    """Whether it is XML: text from the data may have characters that XML does not allow."""
    try:
        ElementTree.fromstring(vector)
    except ElementTree.ParseError:
        return False
    return True
