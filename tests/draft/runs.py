"""Run `recomart shop draft` in this process, in a project of its own."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from draft import scoring
from draft.answers import Answer
from draft.scoring import Score

from recomart.cli import app

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """What one run of the command left: its status, all that it printed, its shop file (None: none) and seconds."""

    status: int
    output: str
    errors: str
    file: Path | None
    seconds: float

    @property
    def text(self) -> str:
        """Everything that people may see."""
        return self.output + self.errors + (self.file.read_text(encoding="utf-8") if self.file else "")

    def score(self, source: Path, answer: Answer) -> Score:
        """Compare the shop file with the right answers; secrets in any text are failures."""
        refused = scoring.refusal(answer, self.errors or self.output)
        score = scoring.compare(self.file, source, answer) if self.file else refused
        for secret in answer.secrets:
            if secret in self.text:
                score.fails(f"'{secret}' is personal data, and was shown")
                break
        return score


def project(folder: Path) -> Path:
    """An empty project: the parameters, and no shops."""
    (folder / "shops").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    return folder


def draft(project: Path, source: Path, name: str = "drafted", *words: str) -> Run:
    """`recomart shop draft SOURCE --name NAME --yes`, in this process."""
    command = ["recomart", "shop", "draft", str(source), "--name", name, "--yes", *words]
    output, errors, started = io.StringIO(), io.StringIO(), time.perf_counter()
    status: object = 0
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        mock.patch.dict(os.environ, RECOMART_ROOT=str(project)),
        mock.patch.object(sys, "argv", command),
    ):
        try:
            app.main()
        except SystemExit as done:
            status = done.code or 0
    file = project / "shops" / f"{name}.yaml"
    seconds = time.perf_counter() - started
    status = status if isinstance(status, int) else 1
    return Run(status, output.getvalue(), errors.getvalue(), file if file.exists() else None, seconds)
