"""docs/images/report.png for the README: of the finished run in this folder, what the index page and 07 say first.

    make picture

Tiles and target card are those of reports/index.html, the figures those of reports/07_evaluate.html; a browser draws
them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bs4 import BeautifulSoup
from PIL import Image, ImageChops

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
TARGET = Path("docs/images/report.png")
WIDTH, HEIGHT, MARGIN = 1240, 2000, 20  # of the window, in pixels; what stays white is cut off
N_FIGURES, N_COLOURS = 2, 256
STYLE = """main { max-width: none; padding: 0 1rem } h2 { margin-top: 1rem } table { width: 100% }
.two { display: flex; gap: 1rem } .two img { width: 50% }"""


def page(index: str, evaluation: str) -> str:
    """One page of parts of two reports: title, tiles and target card of the one, first figures of the other.

    Raises
    ------
    UserError
        If a report lacks its part: then the run has failed, or is none of these.
    """
    one, other = BeautifulSoup(index, "html.parser"), BeautifulSoup(evaluation, "html.parser")
    heading = one.find(id="targets")
    parts = [one.style, one.h1, one.find(class_="tiles"), heading, heading and heading.find_next("table")]
    figures = other.find_all("img", limit=N_FIGURES)
    if None in parts or len(figures) < N_FIGURES:
        raise UserError("The reports hold no target card or no figures: see reports/index.html for what failed.")
    style, *shown = map(str, parts)
    pictures = "".join(f'<img src="{figure["src"]}">' for figure in figures)
    body = f'<main>{"".join(shown)}<div class="two">{pictures}</div></main>'
    return f'<!DOCTYPE html><meta charset="utf-8">{style}<style>{STYLE}</style><body class="index">{body}'


def browser() -> str:
    """The first browser that is here. Raises UserError if there is none."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise UserError(f"A picture needs a browser, one of: {', '.join(BROWSERS)}. None of them is on the PATH.")


def photograph(html: str, target: Path) -> None:
    """Let a browser without a window draw a page; cut off what is white, and keep few colours."""
    with tempfile.TemporaryDirectory() as folder:
        source, shot = Path(folder) / "page.html", Path(folder) / "page.png"
        source.write_text(html, encoding="utf-8")
        options = ["--headless", "--disable-gpu", "--hide-scrollbars", "--no-sandbox", f"--user-data-dir={folder}/user"]
        command = [browser(), *options, f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}", source.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if not shot.exists():
            raise UserError(f"{command[0]} drew nothing: {done.stderr.strip()[-500:]}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(shot) as image:
            smaller(image.convert("RGB")).save(target, optimize=True)


def smaller(image: Image.Image) -> Image.Image:
    """The picture without its white borders but for a margin, in a few colours."""
    box = ImageChops.invert(image.convert("L")).getbbox() or (0, 0, *image.size)
    bottom = min(box[3] + MARGIN, image.height)
    return image.crop((0, 0, image.width, bottom)).quantize(
        N_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    )


def main() -> None:
    reports = [paths.place(paths.REPORTS, name) for name in ("index.html", "07_evaluate.html")]
    if missing := next((path for path in reports if not path.exists()), None):
        raise UserError(f"{missing} is missing: a picture is made of a finished run. Run: make repro")
    target = paths.place(TARGET)
    photograph(page(*(path.read_text(encoding="utf-8") for path in reports)), target)
    sys.stdout.write(f"{target}: {target.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as problem:
        sys.exit(f"Error: {problem}")
