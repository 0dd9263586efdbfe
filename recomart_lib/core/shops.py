"""The typed content of shops/<name>.yaml: one shop, with its API (`shop_api`) and its tables (`shop_tables`).

Users add a shop by writing such a file; the code does not depend on the name of any shop.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from recomart_lib.core import auth_variables, files, names, paths
from recomart_lib.core.config import Strict, suggestion, validated
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TABLES
from recomart_lib.core.secure_transport import NO_LOGIN, has_login
from recomart_lib.core.shop_api import Api
from recomart_lib.core.shop_lists import Lists, with_files
from recomart_lib.core.shop_tables import Table, mapping_problems
from recomart_lib.core.yaml_reader import read_yaml


class Fetch(Strict):
    """Where to download a public data set; `page` is its web page, with its terms.

    `unpack` maps a ZIP file's members to files in the folder SOURCE; without it, the file itself is the data.
    Without a `url`, `by_hand` explains what users must do.
    """

    page: str = Field(pattern=r"^https?://")
    url: str | None = Field(None, pattern=r"^https?://[^/]+/(.*/)?[^/?#]+$")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    unpack: dict[str, str] = Field({})
    by_hand: str | None = None

    @model_validator(mode="before")
    @classmethod
    def has_no_login(cls, values: Any) -> Any:
        """The data is public; checked first, as other messages show the address."""
        for key in ("page", "url"):
            if isinstance(values, Mapping) and has_login(values.get(key)):
                raise ValueError(f"`{key}`: {NO_LOGIN}")
        return values

    @model_validator(mode="after")
    def has_url_or_instructions(self) -> Fetch:
        if (self.url is None) != (self.sha256 is None) or (self.url is None) == (self.by_hand is None):
            raise ValueError("give `url` and `sha256` of a file, or explain in `by_hand` what users must do")
        outside = [
            name
            for name in self.unpack.values()
            if Path(name).is_absolute() or ".." in Path(name).parts or not name.isprintable()
        ]
        if outside or "" in self.unpack.values():
            raise ValueError(f"`unpack` must name files in the folder SOURCE; '{(outside or [''])[0]}' is not in it")
        if self.url and not _is_file_name(self.file_name):
            raise ValueError(f"`url` must end with the name of a file; {self.file_name!r} is none")
        return self

    @property
    def file_name(self) -> str:
        """The name of the downloaded file."""
        return unquote((self.url or "").rpartition("/")[2]).replace("/", "_")


def _is_file_name(text: str) -> bool:
    """Whether the last part of a URL, without its escapes, can name the file in the folder SOURCE."""
    return text not in (".", "..") and "\\" not in text and text.isprintable()


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, TypeError, ValueError, OSError):
        raise ValueError("not a time zone; write it like Europe/London") from None
    return value


JOINS = ".joins."  # between a table and a join of it


class Shop(Strict):
    """One shop. `cut: auto`: the test window is the last days of the data; `horizon_days: auto`: as in params.yaml.

    `rules` are severities of quality rules for this shop, which win over params.yaml: validate.rules (see
    `validate.quality_rules`). `lists` are the shop's rules for recommendations.
    """

    name: names.Name
    title: str
    about: str = ""
    currency: str
    time_zone: Annotated[str, BeforeValidator(_zone)]
    simulated: bool
    cut: str
    horizon_days: Annotated[int, Field(ge=1)] | Literal["auto"]
    relevant_events: list[Literal["view", "cart", "purchase", "rating"]] = Field(min_length=1)
    rules: dict[str, Literal["error", "warning", "off"]] = Field({})
    lists: Lists = Lists()
    api: Api | None = None
    fetch: Fetch | None = None
    tables: dict[Literal["users", "items", "events"], Table]

    @field_validator("cut", mode="before")
    @classmethod
    def is_date_or_auto(cls, value: object) -> object:
        try:
            _ = value == "auto" or date.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValueError("write a day, like 2011-11-01, or auto") from None
        return value

    @model_validator(mode="after")
    def tables_are_mapped(self) -> Shop:
        problems = [problem for name, table in self.tables.items() for problem in mapping_problems(name, table)]
        if "events" not in self.tables or self.tables["events"].kind == "derived":
            problems.append("tables.events is required: models are trained on events")
        if self.table("items").price_is_total and "quantity" not in self.table("events").columns:
            problems.append("tables.items.columns.price: a total is divided by the quantity, which events do not map")
        if not self.api and any(table.kind == "rest" for table in self.tables.values()):
            problems.append("api is required: a table of kind rest needs its url")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def table(self, name: str) -> Table:
        """The table's declaration; a table that the shop does not declare is derived from the events.

        `events.joins.orders` is the declaration of the files that events are joined with under the name orders.
        """
        table, _, join = name.partition(JOINS)
        declared = self.tables.get(table) or Table(kind="derived")
        return declared.joined(join) if join else declared

    @property
    def delivered(self) -> list[str]:
        """The tables that are delivered (not derived), events last."""
        return [name for name in TABLES if self.table(name).kind != "derived"]

    @property
    def sources(self) -> list[str]:
        """The delivered tables, each followed by the files that its rows are joined with (`<table>.joins.<name>`)."""
        return [name for table in self.delivered for name in (table, *self.joins(table))]

    def joins(self, table: str) -> list[str]:
        """The files that a table's rows are joined with, by the names that `table` takes."""
        return [f"{table}{JOINS}{name}" for name in self.table(table).joins]


def all_names() -> list[str]:
    """The names of all shops; files of editors and folders in shops/ are none."""
    return [file.stem for file in files.listed(paths.place(paths.SHOPS), "*.yaml")]


def load(name: str) -> Shop:
    """The shop of shops/<name>.yaml.

    Raises
    ------
    UserError
        If it is no name, or if there is no such file in shops/: the file may be a link, but not to another folder.
    """
    path = paths.place(paths.SHOPS, f"{names.check(name, 'base.shop')}.yaml")
    if not path.exists():
        raise UserError(f"base.shop: there is no {paths.SHOPS}/{name}.yaml. {suggestion(name, all_names())}")
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise UserError(
            f"{paths.SHOPS}/{name}.yaml is a link to {path.resolve()}, which is not in {paths.SHOPS}/. Copy the file."
        )
    return read(path)


def read(path: Path) -> Shop:
    """Read and validate one shop file; the shop is named after the file."""
    names.check(path.stem, f"{path}: the shop has the name of its file")
    content = read_yaml(path)
    shop = validated(Shop, {**content, "name": path.stem}, path, content.places)
    return shop.model_copy(update={"lists": with_files(shop.lists, path)})


def resolved(shop: Shop) -> dict[str, Any]:
    """All keys of a shop file, with the default of each key that it leaves out, as values for JSON.

    DVC tracks single keys of this form (see dvc.yaml: shop): it cannot track a key that a file may leave out.
    """
    return shop.model_dump(mode="json")


def check_auth(shop: Shop, allowed: Collection[str]) -> None:
    """Refuse a shop file whose `api.auth.env` names a variable that is neither RECOMART_... nor listed in params.yaml.

    Parameters
    ----------
    allowed
        `ingest.auth_variables` of params.yaml.
    """
    auth = shop.api.auth if shop.api else None
    if auth is None or auth.env.startswith(auth_variables.PREFIX) or auth.env in allowed:
        return
    raise UserError(
        f"shops/{shop.name}.yaml: api.auth.env names {auth.env}, which may be a secret of another program. Call the "
        f"variable {auth_variables.PREFIX}{auth.env.upper()}, or allow it in params.yaml: ingest.auth_variables: "
        f"[{auth.env}]"
    )


def fetch_hint(shop: Shop) -> str:
    """The end of a message about missing files, if they are public: how to download them."""
    return f" They are public: recomart shop fetch {shop.name}" if shop.fetch else ""
