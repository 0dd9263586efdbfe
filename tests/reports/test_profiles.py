"""The header above the profiles."""

from __future__ import annotations

import pytest

from recomart.reports import profiles

STAGES = ("01_ingest", "02_validate")
AGE = {"data_until": ("2026-11-01", "2026-11-01"), "age_link": ("index.html#stages", "Up to date?")}


@pytest.mark.parametrize(
    "page",
    [
        "<html><head><title>t</title></head>\n<body class='x'>\n<p>The profile</p></body></html>",
        "<html><head><title>t</title></head><h1>The profile: no rows</h1></html>",
    ],
)
def test_a_profile_gets_the_header_once(tmp_path, page):
    path = tmp_path / "reports/profiles/users.html"
    path.parent.mkdir(parents=True)
    path.write_text(page)
    profiles.add_headers(tmp_path, STAGES, AGE)
    first = path.read_text()
    profiles.add_headers(tmp_path, STAGES, AGE)
    assert path.read_text() == first
    assert first.count('<header class="bar">') == 1
    assert first.index("</head>") < first.index("<header") < first.index("The profile")
    assert first.count("2026-11-01 UTC</time>.") == 1
    for link in (
        "../index.html",
        "../index.html#stages",
        "../01_ingest.html",
        "../02_validate.html",
        "../changes.html",
    ):
        assert f'href="{link}"' in first


def test_without_profiles_nothing_happens(tmp_path):
    profiles.add_headers(tmp_path, STAGES, AGE)
    assert not list(tmp_path.iterdir())
