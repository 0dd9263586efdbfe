"""The section `api` of a shop file: the REST API behind tables of `kind: rest`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recomart_lib.core.config import Strict


class Pagination(Strict):
    """How an API splits a table into pages.

    page: `parameter` counts pages from `first`. offset: `parameter` counts records. cursor: `next` is the key of the
    response with the next value of `parameter`, or with the URL of the next page. link: the header `Link` names the
    next page. none: one response.
    """

    style: Literal["page", "offset", "cursor", "link", "none"] = "none"
    parameter: str = "page"
    first: int = 1
    next: str = "next"
    size_parameter: str | None = None
    size: int = Field(500, ge=1)


class Auth(Strict):
    """A header whose value is in an environment variable, as secrets do not belong in files."""

    env: str
    header: str = "Authorization"
    prefix: str = "Bearer "


class Api(Strict):
    """The REST API behind tables of `kind: rest`; a table's `path` is appended to `url`.

    `records` and `total` are the response's keys for its records and for the number of all records, at any depth, such
    as `meta.pagination.total`. Without `records`, the response itself is the list; without `total`, only the pages
    show whether the table is complete.
    """

    url: str = Field(pattern=r"^https?://")
    records: str | None = None
    total: str | None = None
    pagination: Pagination = Pagination()
    auth: Auth | None = None
