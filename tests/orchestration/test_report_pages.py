"""Report pages for a browser: only pages, whatever is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="NO STARLETTE: pip install --no-deps -r requirements-orchestration.lock")
from starlette.testclient import TestClient

from recomart.orchestration import report_pages
from recomart.orchestration.guard import Guard

PAGES = ["index.html", "01_ingest.html", "01_ingest.ipynb", "model_card.md", "profiles/events.html"]
OTHERS = [
    "sidecars/01_ingest.json",
    "metrics/quality.json",
    ".hidden.html",
    "profiles/x.json",
    "index.html.tmp",
    "a.py",
]
LONG = f"{'a' * 300}.html"  # no file can have this name


@pytest.fixture
def folder(tmp_path) -> Path:
    reports = tmp_path / "reports"
    for name in (*PAGES, *OTHERS, "../params.yaml", "../outside.html"):
        (reports / name).parent.mkdir(parents=True, exist_ok=True)
        (reports / name).write_text(f"this is {name}")
    return reports


@pytest.fixture
def client(folder) -> TestClient:
    guarded = Guard(report_pages.application(folder), 3001, report_pages.POLICY)
    return TestClient(guarded, base_url="http://localhost:3001")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_served(client, name):
    assert client.get(f"/{name}").text == f"this is {name}"
    assert client.head(f"/{name}").status_code == 200


def test_the_index_comes_first(client):
    assert client.get("/").text == "this is index.html"


@pytest.mark.parametrize(
    "name", [*OTHERS, "profiles/", "profiles", "sidecars/", "99_none.html", "a.html/", LONG, f"profiles/{LONG}"]
)
def test_no_other_file_and_no_listing_is_served(client, name):
    response = client.get(f"/{name}")
    assert (response.status_code, response.text) == (404, "There is no such report.\n")


@pytest.mark.parametrize(
    "name", ["%2e%2e/params.yaml", "..%2foutside.html", "profiles/..%2f..%2foutside.html", "a%00.html"]
)
def test_nothing_outside_the_folder_is_served(client, name):
    assert client.get(f"/{name}").status_code == 400


def test_without_reports_the_remedy_is_named(tmp_path):
    client = TestClient(report_pages.application(tmp_path / "none"))
    response = client.get("/")
    assert (response.status_code, response.text) == (404, "There are no reports yet. Run: make repro\n")


def test_a_page_loads_nothing_and_has_an_origin_of_its_own(client):
    (policy,) = client.get("/01_ingest.html").headers.get_list("Content-Security-Policy")
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert "allow-same-origin" not in rules["sandbox"]
    assert rules["default-src"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert "http" not in policy


def test_only_reading_from_this_machine_is_allowed(client):
    assert client.get("/", headers={"Host": "evil.example:3001"}).status_code == 403
    assert client.get("/", headers={"Origin": "http://localhost:3000"}).status_code == 403
    assert client.post("/", json={}).status_code == 405
    link = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/01_ingest.html", headers=link).status_code == 200  # the web UI links to it
