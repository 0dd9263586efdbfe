"""docs/images/report.png for the README: the top of the index page and of 07, from the finished run in this folder.

    make picture

Tiles and target card come from reports/index.html, the figures from reports/07_evaluate.html; a browser renders them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bs4 import BeautifulSoup
from PIL import Image, ImageChops

from recomart_lib.core import files, paths
from recomart_lib.core.errors import UserError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
TARGET = Path("docs/images/report.png")
WIDTH, HEIGHT, MARGIN = 1240, 2000, 20  # of the browser window, in pixels; white borders are cropped
N_FIGURES, N_COLOURS = 2, 256
STYLE = """main { max-width: none; padding: 0 1rem } h2 { margin-top: 1rem } table { width: 100% }
.two { display: flex; gap: 1rem } .two > * { width: 50% }"""


def page(index: str, evaluation: str) -> str:
    """Combine parts of two reports: title, tiles and target card of the index, the first figures of 07.

    Raises
    ------
    UserError
        If a report lacks its part, most likely because the run failed.
    """
    index_page, evaluation_page = (BeautifulSoup(html, "html.parser") for html in (index, evaluation))
    heading = index_page.find(id="targets")
    parts = [
        index_page.style,
        index_page.h1,
        index_page.find(class_="tiles"),
        heading,
        heading and heading.find_next("table"),
    ]
    drawn = evaluation_page.select("img, figure.chart")
    # the one of the summary comes twice
    figures = [figure for figure in drawn if not figure.find_parent(class_="glance")][:N_FIGURES]
    if None in parts or len(figures) < N_FIGURES:
        raise UserError("The reports have no target card or no figures: see reports/index.html for what failed.")
    style, *sections = map(str, parts)
    pictures = "".join(map(str, figures))
    body = f'<main>{"".join(sections)}<div class="two">{pictures}</div></main>'
    return f'<!DOCTYPE html><meta charset="utf-8">{style}<style>{STYLE}</style><body class="index">{body}'


def browser() -> str:
    """Return the first browser on the PATH. Raises UserError if there is none."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise UserError(f"The picture needs one of these browsers: {', '.join(BROWSERS)}. None of them is on the PATH.")


def photograph(html: str, target: Path) -> None:
    """Render a page in a headless browser; crop white borders and reduce the number of colours."""
    with tempfile.TemporaryDirectory() as folder:
        source, screenshot = Path(folder) / "page.html", Path(folder) / "page.png"
        source.write_text(html, encoding="utf-8")
        options = ["--headless", "--disable-gpu", "--hide-scrollbars", "--no-sandbox", f"--user-data-dir={folder}/user"]
        command = [
            browser(),
            *options,
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={screenshot}",
            source.as_uri(),
        ]
        process = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if not screenshot.exists():
            raise UserError(f"{command[0]} rendered nothing: {process.stderr.strip()[-500:]}")
        with Image.open(screenshot) as image, files.complete(target) as unfinished:
            compact(image.convert("RGB")).save(unfinished, "PNG", optimize=True)


def compact(image: Image.Image) -> Image.Image:
    """Crop white below the content, except for a margin, and reduce the number of colours."""
    box = ImageChops.invert(image.convert("L")).getbbox() or (0, 0, *image.size)
    bottom = min(box[3] + MARGIN, image.height)
    return image.crop((0, 0, image.width, bottom)).quantize(
        N_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    )


def main() -> None:
    reports = [paths.place(paths.REPORTS, name) for name in ("index.html", "07_evaluate.html")]
    if missing := next((path for path in reports if not path.exists()), None):
        raise UserError(f"{missing} is missing: the picture is made from a finished run. Run: make repro")
    target = paths.place(TARGET)
    photograph(page(*(path.read_text(encoding="utf-8") for path in reports)), target)
    sys.stdout.write(f"{target}: {target.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as problem:
        sys.exit(f"Error: {problem}")
