"""Refuse what foreign web pages send to a web server on this machine: an ASGI middleware.

A page of any site can make the user's browser send requests to localhost. Four rules refuse them: the address must be
a name of this machine (against DNS rebinding), the page that sends must be the server's own, a POST must be declared
as JSON (HTML forms and requests without a preflight cannot do that), and only GET, HEAD and POST exist.

Programs on this machine that are no browsers send no origin and are let through: this is no login.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

log = logging.getLogger(__name__)

NAMES = ("localhost", "127.0.0.1", "[::1]")  # of this machine
HEADERS = {
    "X-Content-Type-Options": "nosniff",  # a log file is never taken for a script
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
READING = ("GET", "HEAD")
MAX_SHOWN = 100  # characters of a refused value in a message


class Refusal(NamedTuple):
    """The HTTP status and the sentence of a refused request."""

    status: int
    sentence: str


class Guard:
    """Let a request reach `app` only if it comes from a page of this server, or from no page.

    Parameters
    ----------
    app
        The ASGI application.
    port
        The port of this server: the address of a request must name it.
    policy
        The content security policy of all responses, in addition to their own.
    """

    def __init__(self, app: ASGIApp, port: int, policy: str = "frame-ancestors 'self'") -> None:
        self.app, self.policy = app, policy
        self.addresses = [f"{name}:{port}" for name in NAMES] + (list(NAMES) if port == 80 else [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif reason := refusal(HTTPConnection(scope), self.addresses):
            log.warning("refused: %s %s. %s", scope.get("method", "WebSocket"), shown(scope["path"]), reason.sentence)
            await self._refuse(reason, scope, receive, self._with_headers(send))
        else:
            await self.app(scope, receive, self._with_headers(send))

    async def _refuse(self, reason: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        response = PlainTextResponse(f"Refused: {reason.sentence}\n", reason.status)
        if scope["type"] == "http":
            await response(scope, receive, send)
        elif "websocket.http.response" in scope.get("extensions", {}):
            await WebSocket(scope, receive, send).send_denial_response(response)
        else:  # the server answers with 403, without the sentence
            await WebSocket(scope, receive, send).close()

    def _with_headers(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers.update(HEADERS)
                headers.append("Content-Security-Policy", self.policy)  # of several policies, all apply
                message["headers"] = headers.raw
            await send(message)

        return send_with_headers


def refusal(request: HTTPConnection, addresses: list[str]) -> Refusal | None:
    """Why a request is refused; None: it is allowed.

    Parameters
    ----------
    addresses
        The values of the Host header that mean this server, like `localhost:3000`.
    """
    return (
        _wrong_address(request, addresses)
        or _foreign_page(request)
        or _wrong_method(request)
        or _wrong_path(request)
        or _no_json(request)
    )


def shown(value: str) -> str:
    """The start of a foreign value, quoted, with everything but ASCII escaped."""
    return ascii(value[:MAX_SHOWN])


def _listed(values: list[str]) -> str:
    """The values of a header; a request has at most one, an attack perhaps thousands."""
    return " and ".join(map(shown, values[:2])) + (" and others" if len(values) > 2 else "") or "missing"


def _wrong_address(request: HTTPConnection, addresses: list[str]) -> Refusal | None:
    hosts = request.headers.getlist("host")
    if len(hosts) == 1 and hosts[0].lower() in addresses:
        return None
    sent = _listed(hosts)
    return Refusal(403, f"the address of the request is {sent}, not {' or '.join(addresses)}.")


def _foreign_page(request: HTTPConnection) -> Refusal | None:
    """Refuse by Origin, which browsers send with all that changes something; where it is absent, by Sec-Fetch-Site."""
    own = f"http://{request.headers['host'].lower()}"
    if origins := request.headers.getlist("origin"):
        if origins == [own]:
            return None
        return Refusal(403, f"a page of {_listed(origins)} sent the request, not a page of {own}.")
    site = request.headers.get("sec-fetch-site", "same-origin")  # absent: no browser, or an old one
    if site == "same-origin" or (_reads(request) and (site == "none" or _follows_a_link(request))):
        return None
    return Refusal(403, f"another site's page sent the request ({shown(site)}), not a page of {own}.")


def _reads(request: HTTPConnection) -> bool:
    return request.scope["type"] == "http" and request.scope["method"] in READING


def _follows_a_link(request: HTTPConnection) -> bool:
    """Whether a tab opens the page: foreign pages may link here, but not embed images, scripts or frames from here."""
    kind = (request.headers.get("sec-fetch-mode"), request.headers.get("sec-fetch-dest"))
    return kind == ("navigate", "document")


def _wrong_method(request: HTTPConnection) -> Refusal | None:
    if request.scope["type"] == "websocket" or request.scope["method"] in (*READING, "POST"):
        return None
    return Refusal(405, f"the method {shown(request.scope['method'])} is not allowed, only GET, HEAD and POST.")


def _wrong_path(request: HTTPConnection) -> Refusal | None:
    """Refuse control characters (a route's pattern ignores a line break at the end of a path) and parent folders."""
    path = request.scope["path"]
    if path.isprintable() and "\\" not in path and ".." not in path.split("/"):
        return None
    return Refusal(400, f"the path {shown(path)} has a parent folder, a backslash or control characters.")


def _no_json(request: HTTPConnection) -> Refusal | None:
    if request.scope["type"] == "websocket" or _reads(request):
        return None
    types = request.headers.getlist("content-type")
    if len(types) == 1 and types[0].split(";")[0].strip().lower() == "application/json":
        return None
    return Refusal(415, f"the content type of a POST must be application/json; it is {_listed(types)}.")
