"""docs/images/report.png for the README: the top of the index page, from the finished run in this folder.

    make picture

A browser renders it.
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
N_COLOURS = 256
PARTS = (".answer", ".tiles", ".box", "figure.bars")
STYLE = "main { max-width: none; padding: 0 1rem }"


def page(index: str) -> str:
    """The title, the answer, the tiles and the results of the index page.

    Raises
    ------
    UserError
        If the page lacks a part, most likely because the run failed.
    """
    soup = BeautifulSoup(index, "html.parser")
    parts = [soup.style, soup.h1, *(soup.select_one(name) for name in PARTS)]
    if None in parts:
        raise UserError("The index has no answer or no results: see reports/index.html for what failed.")
    style, *sections = map(str, parts)
    body = f"<main>{''.join(sections)}</main>"
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
    index = paths.place(paths.REPORTS, "index.html")
    if not index.exists():
        raise UserError(f"{index} is missing: the picture is made from a finished run. Run: make repro")
    target = paths.place(TARGET)
    photograph(page(index.read_text(encoding="utf-8")), target)
    sys.stdout.write(f"{target}: {target.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as problem:
        sys.exit(f"Error: {problem}")
