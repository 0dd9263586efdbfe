"""The command line: what it says, and that a user's mistake never shows a traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recomart_lib import params

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project without data: parameters, pipeline and shops."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "shops", tmp_path / "shops")
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    return tmp_path


def test_shop_use_writes_params_and_keeps_comments(project, call):
    feed = project / "feed"
    feed.mkdir()
    status, said, _ = call("shop", "use", "online_retail", "--source", str(feed))
    assert (status, "online_retail" in said) == (0, True)
    base = params.load(project / "params.yaml").base
    assert (base.shop, base.source) == ("online_retail", feed.as_posix())
    comments = [line.split("#")[1] for line in (ROOT / "params.yaml").read_text().splitlines() if "#" in line]
    assert all(comment in (project / "params.yaml").read_text() for comment in comments)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["shop", "use", "onlin_retail"], "Did you mean 'online_retail'?"),
        (["shop", "use", "online_retail"], "There is no folder data/source/online_retail"),
        (["shop", "check", "shops/none.yaml"], "no such file"),
        (["stage", "5_features"], "Did you mean '05_features'?"),
        (["reports"], "There are no reports yet"),
    ],
)
def test_a_mistake_is_one_message_and_status_1(project, call, words, complaint):
    status, _, err = call(*words)
    assert status == 1
    assert complaint in err
    assert "Traceback" not in err


def test_shop_check_shows_mapped_rows(project, call):
    (project / "feed").mkdir()
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    row = "1,85123A,HEART,-6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom"
    (project / "feed/a.csv").write_text(f"{header}\n{row}\n{row.replace('2.55', 'dear')}\n")
    status, said, _ = call(
        "shop", "check", str(project / "shops/online_retail.yaml"), "--source", str(project / "feed")
    )
    assert status == 0
    assert "1 rows can be read, 1 cannot" in said
    assert "return" in said
    assert "price: 'dear' is not a number" in said


def test_simulate_does_nothing_for_a_real_shop(project, call):
    (project / "feed").mkdir()
    call("shop", "use", "online_retail", "--source", str(project / "feed"))
    status, said, _ = call("simulate")
    assert (status, "nothing to do" in said) == (0, True)
    assert not list((project / "data/source/simulated").iterdir())
