"""Dagster's web UI and the report pages as one guarded ASGI application for two ports.

Two ports are two origins: a script in a report could not send requests to Dagster, even if it ran.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from dagster._core.workspace.context import WorkspaceProcessContext
from dagster_webserver.webserver import DagsterWebserver
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from recomart.orchestration import report_pages
from recomart.orchestration.guard import Guard

POLL_MS = 2000  # how often the UI asks for new data, as in `dagster dev`
# An executed notebook shows data of the shop, and its HTML comes from the same origin as Dagster: no script may run.
NOTEBOOK_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"


class GuardedWebserver(DagsterWebserver):
    """Dagster's webserver without mutations by GET, and without scripts in notebooks."""

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """Answer a GraphQL operation that is sent by POST; GET gives the GraphiQL page only."""
        if request.method == "GET" and "text/html" not in request.headers.get("Accept", ""):
            sentence = "Refused: GraphQL operations are sent by POST as application/json, not in the address.\n"
            return PlainTextResponse(sentence, 405, {"Allow": "POST"})
        return await super().graphql_http_endpoint(request)

    async def download_notebook(self, request: Request) -> Response:
        """An executed notebook as a page that loads nothing and runs nothing."""
        response = await super().download_notebook(request)
        response.headers["Content-Security-Policy"] = NOTEBOOK_POLICY
        return response


class ByPort:
    """Pass each request to the application of the port at which it came in."""

    def __init__(self, main: int, apps: Mapping[int, ASGIApp]) -> None:
        self.main, self.apps = main, apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        port = self.main if scope["type"] == "lifespan" else scope["server"][1]
        await self.apps[port](scope, receive, send)


def application(context: WorkspaceProcessContext, reports: Path, port: int, reports_port: int) -> ASGIApp:
    """Dagster's UI at `port`, and the pages of the folder `reports` at `reports_port`."""
    dagster = GuardedWebserver(context, live_data_poll_rate=POLL_MS).create_asgi_app(lifespan=_lifespan)
    pages = Guard(report_pages.application(reports), reports_port, report_pages.POLICY)
    return ByPort(port, {port: Guard(dagster, port), reports_port: pages})


@contextlib.asynccontextmanager
async def _lifespan(_: ASGIApp) -> AsyncIterator[None]:
    with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C
        yield
