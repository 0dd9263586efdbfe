"""The section `api` of a shop file: the REST API behind tables of `kind: rest`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from recomart_lib.core import auth_variables
from recomart_lib.core.config import Strict
from recomart_lib.core.secure_transport import NO_LOGIN, has_login, may_carry_secret


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
    """A header whose value is in an environment variable, as secrets do not belong in files.

    `env` names the variable: RECOMART_..., or one that params.yaml lists in ingest.auth_variables.
    """

    env: str
    header: str = Field("Authorization", pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
    prefix: str = Field("Bearer ", pattern=r"^[ -~]*$")

    @field_validator("env")
    @classmethod
    def is_no_own_variable(cls, value: str) -> str:
        if problem := auth_variables.problem(value):
            raise ValueError(problem)
        return value


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

    @model_validator(mode="before")
    @classmethod
    def has_no_login(cls, values: Any) -> Any:
        """A login would be copied to data/shop.json and dvc.lock; checked first, as other messages show the address."""
        if isinstance(values, Mapping) and has_login(values.get("url")):
            raise ValueError(f"`url`: {NO_LOGIN}. Name a variable with the secret in `auth`")
        return values

    @model_validator(mode="after")
    def keeps_secrets(self) -> Api:
        """A secret is not sent in the clear."""
        try:
            address = urlsplit(self.url)
        except ValueError:
            return self  # the address is checked as a whole when the API is read
        if self.auth and not may_carry_secret(address.scheme, address.hostname or ""):
            raise ValueError(
                "`url` must begin with https://, as others could read the secret (api.auth) on its way; http:// is for "
                "localhost, 127.0.0.1 and [::1] only"
            )
        return self
