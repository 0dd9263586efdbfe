"""Attacks of a hostile web page on Dagster's real webserver: each works without the guard, and none with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

dagster = pytest.importorskip("dagster", reason="NO DAGSTER: pip install --no-deps -r requirements-orchestration.lock")
# ruff: noqa: E402
from dagster._core.workspace.context import BaseWorkspaceRequestContext, WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.asset_daemon import get_auto_materialize_paused, set_auto_materialize_paused
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.testclient import TestClient, WebSocketDenialResponse

from recomart.orchestration import webserver

OWN, REPORTS = "http://localhost:3000", "http://localhost:3001"
MUTATION = "mutation { setAutoMaterializePaused(paused: true) }"
VERSION = {"query": "{ version }"}
SCRIPT = "<script>fetch('/graphql', {method: 'POST'})</script>"
Attack = Callable[[TestClient], object]
ATTACKS: dict[str, Attack] = {
    "form": lambda client: client.post("/graphql", params={"query": MUTATION}, data={"a": "b"}),
    "empty form": lambda client: client.post("/graphql", params={"query": MUTATION}),
    "upload": lambda client: client.post("/graphql", params={"query": MUTATION}, files={"a": b"b"}),
    "text": lambda client: client.post("/graphql", params={"query": MUTATION}, headers={"Content-Type": "text/plain"}),
    "text that mentions JSON": lambda client: client.post(
        "/graphql", content=f'{{"query": "{MUTATION}"}}', headers={"Content-Type": "text/plain; x=application/json"}
    ),
    "GraphQL text": lambda client: client.post(
        "/graphql", content=MUTATION, headers={"Content-Type": "application/graphql"}
    ),
    "image": lambda client: client.get("/graphql", params={"query": MUTATION}, headers={"Accept": "image/*"}),
    "address": lambda client: client.get("/graphql", params={"query": MUTATION}),
    "address with a line break": lambda client: client.get("/graphql%0A", params={"query": MUTATION}),
    "address in other letters": lambda client: client.get("/%67raphql", params={"query": MUTATION}),
    "JSON of a foreign page": lambda client: client.post(
        "/graphql", json={"query": MUTATION}, headers={"Origin": "http://evil.example"}
    ),
    "JSON of a page without origin": lambda client: client.post(
        "/graphql", json={"query": MUTATION}, headers={"Origin": "null"}
    ),
    "JSON of a report": lambda client: client.post("/graphql", json={"query": MUTATION}, headers={"Origin": REPORTS}),
    "JSON of another site": lambda client: client.post(
        "/graphql", json={"query": MUTATION}, headers={"Sec-Fetch-Site": "cross-site"}
    ),
    "DNS rebinding": lambda client: client.post(
        "/graphql",
        json={"query": MUTATION},
        headers={"Host": "evil.example:3000", "Origin": "http://evil.example:3000", "Sec-Fetch-Site": "same-origin"},
    ),
}


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Iterator[WorkspaceProcessContext]:
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}")
    with (
        dagster.DagsterInstance.from_config(str(home)) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context,
    ):
        yield context


@pytest.fixture
def instance(context) -> dagster.DagsterInstance:
    set_auto_materialize_paused(context.instance, False)
    return context.instance


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    (folder / "index.html").write_text("all reports")
    return folder


@pytest.fixture(scope="module")
def client(context, reports) -> TestClient:
    app = webserver.application(context, reports, 3000, 3001)
    return TestClient(app, base_url=OWN, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def unguarded(context) -> TestClient:
    """What `dagster dev` serves."""
    return TestClient(create_app_from_workspace_process_context(context), base_url=OWN)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_works_without_the_guard(name, unguarded, instance):
    ATTACKS[name](unguarded)
    assert get_auto_materialize_paused(instance)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_in_one_sentence(name, client, instance):
    response = ATTACKS[name](client)
    assert not get_auto_materialize_paused(instance)
    assert response.status_code in (400, 403, 405, 415)
    assert response.text.startswith("Refused: ")
    assert response.text.count("\n") == 1


def test_the_own_page_and_programs_may_change_something(client, instance):
    for headers in ({"Origin": OWN, "Sec-Fetch-Site": "same-origin"}, {}):
        set_auto_materialize_paused(instance, False)
        response = client.post("/graphql", json={"query": MUTATION}, headers=headers)
        assert response.json() == {"data": {"setAutoMaterializePaused": True}}
        assert get_auto_materialize_paused(instance)


@pytest.mark.parametrize("method", ["materialization", "check", "observation"])
def test_events_cannot_be_reported_by_a_form(method, client, instance):
    for sent in ({}, {"data": {"asset_key": "01_ingest"}}):
        assert client.post(f"/report_asset_{method}/01_ingest", **sent).status_code == 415
    foreign = {"Origin": "http://evil.example"}
    assert client.post(f"/report_asset_{method}/01_ingest", json={}, headers=foreign).status_code == 403
    assert instance.get_latest_materialization_event(dagster.AssetKey("01_ingest")) is None


def talk(client: TestClient, **headers: str) -> dict:
    """The answer to a subscription's start through the WebSocket."""
    with client.websocket_connect("ws://localhost:3000/graphql", ["graphql-ws"], headers=headers) as socket:
        socket.send_json({"type": "connection_init"})
        return socket.receive_json()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", REPORTS])
def test_a_foreign_page_gets_no_socket(origin, client, unguarded):
    assert talk(unguarded, Origin=origin) == {"type": "connection_ack"}
    with pytest.raises(WebSocketDenialResponse) as denied:
        talk(client, Origin=origin)
    assert denied.value.text == f"Refused: a page of '{origin}' sent the request, not a page of {OWN}.\n"


def test_the_own_page_gets_a_socket(client):
    assert talk(client, Origin=OWN) == {"type": "connection_ack"}


def test_the_page_for_queries_works_but_executes_nothing(client, instance):
    page = client.get("/graphql", params={"query": MUTATION}, headers={"Accept": "text/html"})
    assert "graphiql.min.js" in page.text
    assert not get_auto_materialize_paused(instance)
    assert client.head("/graphql", params={"query": MUTATION}).status_code == 405


def test_every_route_refuses_foreign_addresses(client, context):
    """A route of a newer Dagster is listed here, so that somebody decides on it."""
    app = webserver.GuardedWebserver(context)
    paths = {route.path for route in app.build_routes() if "static" not in (getattr(route, "name", None) or "")}
    events = {f"/report_asset_{name}/{{asset_key:path}}" for name in ("materialization", "check", "observation")}
    assert paths == events | {
        "/server_info",
        "/dagit_info",
        "/graphql",
        "/logs/{path:path}",
        "/notebook",
        "/dagit/notebook",
        "/download_debug/{run_id:str}",
        "/{path:path}",
        "/",
    }
    for path in paths:
        assert client.get(path.replace("{", "").replace("}", ""), headers={"Host": "evil"}).status_code == 403


@pytest.mark.parametrize("path", ["/notebook", "/dagit/notebook"])
def test_a_script_in_a_notebook_cannot_run(path, client, monkeypatch):
    """A notebook shows data, and its page has the origin that may change everything."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(SCRIPT)])
    data = nbformat.writes(notebook).encode()
    monkeypatch.setattr(BaseWorkspaceRequestContext, "get_notebook_data", lambda *_: data)
    page = client.get(path, params={"repoLocName": "x", "path": "x.ipynb"})
    assert SCRIPT in page.text, "Dagster escapes it: remove the policy"
    policies = page.headers.get_list("Content-Security-Policy")
    assert any(policy.startswith("sandbox; default-src 'none'; ") for policy in policies)
    assert "script" not in " ".join(policies)
    assert "frame-ancestors 'self'" in policies  # the UI shows it in a frame


def test_logs_cannot_be_read_outside_their_folder(client):
    assert client.get("/logs/..%2f..%2fparams.yaml").status_code == 400


def test_the_reports_have_a_port_of_their_own(client):
    assert client.get(f"{REPORTS}/").text == "all reports"
    assert client.get(f"{REPORTS}/graphql", headers={"Accept": "text/html"}).status_code == 404
    assert client.post(f"{REPORTS}/graphql", json=VERSION).status_code == 405
    assert client.get(REPORTS, headers={"Host": "localhost:3000"}).status_code == 403
    assert client.get("/index.html").text != "all reports"
