"""The guard in front of a tiny application: what a hostile web page can make a browser send is refused."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("starlette", reason="NO STARLETTE: pip install --no-deps -r requirements-orchestration.lock")
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from recomart.orchestration import guard
from recomart.orchestration.guard import HEADERS, Guard

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}  # as HTTP/1.0 allows

JSON = {"Content-Type": "application/json"}
OWN = "http://localhost:3000"
FOREIGN = [
    "http://evil.example",
    "https://localhost:3000",
    "http://localhost:3001",
    "http://127.0.0.1:3000",
    "null",
    "",
]


async def reached(request) -> PlainTextResponse:
    return PlainTextResponse("reached", headers={"Content-Security-Policy": "object-src 'none'"})


async def reached_socket(socket) -> None:
    await socket.accept()
    await socket.send_text("reached")
    await socket.close()


APP = Starlette(
    routes=[
        WebSocketRoute("/socket", reached_socket),
        Route("/{path:path}", reached, methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"]),
    ]
)


@pytest.fixture
def client() -> TestClient:
    return TestClient(Guard(APP, 3000), base_url=OWN)


def socket_text(client: TestClient, **headers: str) -> str:
    with client.websocket_connect("ws://localhost:3000/socket", headers=headers) as socket:
        return socket.receive_text()


class TestAllowed:
    @pytest.mark.parametrize("host", ["localhost:3000", "LOCALHOST:3000", "127.0.0.1:3000", "[::1]:3000"])
    def test_the_names_of_this_machine(self, client, host):
        assert client.get("/", headers={"Host": host}).text == "reached"
        own = {"Host": host, "Origin": f"http://{host.lower()}"}
        assert client.post("/", headers=JSON | own).text == "reached"

    @pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
    def test_a_post_of_the_own_page(self, client, kind):
        sent = {"Content-Type": kind, "Origin": OWN, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        assert client.post("/", headers=sent, content="{}").text == "reached"

    def test_a_program_that_is_no_browser(self, client):
        assert client.post("/", headers=JSON, content="{}").text == "reached"
        assert client.head("/").status_code == 200
        assert socket_text(client) == "reached"

    def test_a_socket_of_the_own_page(self, client):
        assert socket_text(client, Origin=OWN) == "reached"

    @pytest.mark.parametrize("site", ["none", "cross-site", "same-site", "same-origin"])
    def test_a_link_that_opens_a_tab(self, client, site):
        sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert client.get("/", headers=sent).text == "reached"

    def test_port_80_may_be_left_out(self):
        for host in ("localhost", "localhost:80"):
            client = TestClient(Guard(APP, 80), base_url="http://localhost")
            assert client.get("/", headers={"Host": host}).text == "reached"


class TestAddress:
    @pytest.mark.parametrize(
        "host",
        [
            "evil.example:3000",
            "localhost.:3000",
            "localhost",
            "localhost:3001",
            "localhost:3000.evil.example",
            "localhost:3000@evil.example",
            "evil.example@localhost:3000",
            "127.0.0.1.nip.io:3000",
            "127.0.0.2:3000",
            "0.0.0.0:3000",
            "[::]:3000",
            "[::ffff:127.0.0.1]:3000",
            "localhost:3000, evil.example",
            "localhost:03000",
            "",
        ],
    )
    def test_another_name_is_refused(self, client, host):
        response = client.get("/", headers={"Host": host})
        assert response.status_code == 403
        assert f"the address of the request is '{host}', not localhost:3000 or 127.0.0.1:3000" in response.text

    def test_another_name_is_refused_although_page_and_address_agree(self, client):
        """DNS rebinding: the page's own name now means this machine."""
        rebound = {"Host": "evil.example:3000", "Origin": "http://evil.example:3000", "Sec-Fetch-Site": "same-origin"}
        assert client.post("/", headers=JSON | rebound).status_code == 403

    def test_two_addresses_are_refused(self, client):
        response = client.get("/", headers=[("Host", "localhost:3000"), ("Host", "evil.example")])
        assert response.status_code == 403
        assert "'localhost:3000' and 'evil.example'" in response.text

    def test_a_thousand_addresses_are_refused_in_one_short_sentence(self, client):
        response = client.get("/", headers=[("Host", "localhost:3000")] * 1000)
        assert "'localhost:3000' and 'localhost:3000' and others" in response.text
        assert len(response.text) < 300

    def test_a_request_without_address_is_refused(self):
        assert guard.refusal(HTTPConnection(SCOPE), ["localhost:3000"]).sentence.startswith(
            "the address of the request is missing"
        )

    def test_a_socket_is_refused_too(self, client):
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            client.websocket_connect("ws://evil.example:3000/socket"),
        ):
            pass
        assert "the address of the request is 'evil.example:3000'" in denied.value.text


class TestForeignPage:
    @pytest.mark.parametrize("origin", FOREIGN)
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_another_origin_is_refused(self, client, method, origin):
        response = client.request(method, "/", headers=JSON | {"Origin": origin})
        assert response.status_code == 403
        assert response.text == f"Refused: a page of '{origin}' sent the request, not a page of {OWN}.\n"

    @pytest.mark.parametrize("origin", FOREIGN)
    def test_another_origin_s_socket_is_refused(self, client, origin):
        with pytest.raises(WebSocketDenialResponse) as denied:
            socket_text(client, Origin=origin)
        assert denied.value.status_code == 403
        assert f"a page of '{origin}' sent the request" in denied.value.text

    def test_two_origins_are_refused(self, client):
        sent = [*JSON.items(), ("Origin", OWN), ("Origin", "http://evil.example")]
        assert client.post("/", headers=sent).status_code == 403

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "SAME-ORIGIN", "new-word"])
    def test_a_post_without_origin_is_refused_by_its_site(self, client, site):
        response = client.post("/", headers=JSON | {"Sec-Fetch-Site": site})
        assert response.status_code == 403
        assert f"another site's page sent the request ('{site}')" in response.text

    def test_a_post_is_refused_even_if_it_opens_a_tab(self, client):
        sent = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert client.post("/", headers=JSON | sent).status_code == 403

    @pytest.mark.parametrize(
        ("mode", "kind"),
        [
            ("navigate", "iframe"),
            ("navigate", "object"),
            ("no-cors", "image"),
            ("no-cors", "script"),
            ("cors", "empty"),
        ],
    )
    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_nothing_is_embedded_in_another_site_s_page(self, client, site, mode, kind):
        sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": kind}
        assert client.get("/", headers=sent).status_code == 403


class TestContent:
    @pytest.mark.parametrize(
        "kind",
        [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "text/plain",
            "text/plain; application/json",
            "application/graphql",
            "application/jsonp",
            "",
        ],
    )
    def test_a_post_of_another_type_is_refused(self, client, kind):
        response = client.post("/", headers={"Content-Type": kind, "Origin": OWN}, content="x=1")
        assert response.status_code == 415
        assert f"must be application/json; it is '{kind}'" in response.text

    def test_a_post_without_type_is_refused(self, client):
        response = client.post("/", headers={"Origin": OWN})
        assert response.status_code == 415
        assert response.text == "Refused: the content type of a POST must be application/json; it is missing.\n"

    def test_two_types_are_refused(self, client):
        sent = [("Content-Type", "application/json"), ("Content-Type", "text/plain")]
        assert client.post("/", headers=sent).status_code == 415

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X"])
    def test_another_method_is_refused(self, client, method):
        request = client.build_request("GET", "/", headers=JSON)
        request.method = method
        response = client.send(request)
        assert response.status_code == 405
        assert f"the method '{method}' is not allowed" in response.text

    @pytest.mark.parametrize("path", ["/page%0A", "/page%00", "/%1b[31m", "/a%5Cb", "/logs/..%2f..%2fx", "/%2e%2e/x"])
    def test_a_path_that_no_page_has_is_refused(self, client, path):
        response = client.get(path)
        assert response.status_code == 400
        assert "has a parent folder, a backslash or control characters" in response.text


class TestAnswer:
    def test_all_answers_have_the_headers(self, client):
        for response in (client.get("/"), client.get("/", headers={"Origin": "null"})):
            assert response.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
            assert "frame-ancestors 'self'" in response.headers.get_list("Content-Security-Policy")
        assert "object-src 'none'" in client.get("/").headers.get_list("Content-Security-Policy")

    def test_a_foreign_page_may_not_read_the_answer(self, client):
        response = client.post("/", headers=JSON | {"Origin": "http://evil.example"})
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert response.headers["Content-Type"].startswith("text/plain")

    def test_a_refusal_is_in_the_log_on_one_line(self, client, caplog):
        with caplog.at_level(logging.WARNING):
            client.get("/a%0Ab" + "c" * 500, headers={"Origin": "http://évil\x1b.example".encode()})
        (record,) = caplog.records
        assert record.getMessage().isprintable()
        assert len(record.getMessage()) < 400
        assert "GET '/a\\nb" in record.getMessage()

    def test_a_server_that_cannot_explain_a_refused_socket_closes_it(self):
        async def without_extension(scope, receive, send) -> None:
            await Guard(APP, 3000)({**scope, "extensions": {}}, receive, send)

        with pytest.raises(WebSocketDisconnect):
            socket_text(TestClient(without_extension, base_url=OWN), Origin="null")
