"""params.yaml in Dagster's launchpad: typed, checked before a run exists, written when it starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from dagster import Any as Anything
from dagster import Array, Enum, EnumValue, Field, InitResourceContext, ResourceDefinition, Shape

from recomart.project import params, params_writer
from recomart.project.params import Params
from recomart_lib.core import config, paths, shops
from recomart_lib.core.errors import UserError

FILE = "params.yaml"
WRITTEN = "recomart/params_written_by"  # a run's tag, with its own id: a repeated run inherits tags
COMMENT = re.compile(r"^  (\w+):[^#\n]*#\s*(.+)$", re.MULTILINE)

Values = dict[str, dict[str, Any]]


def resource() -> ResourceDefinition:
    """The resource `params`: its config has the sections and keys of params.yaml, with the values there as defaults."""
    writer = ResourceDefinition(write, config_schema=Field(dict), description="params.yaml of this run")
    return writer.configured(checked, config_schema=schema(), description="The shop and all parameters of params.yaml")


def schema() -> Shape:
    """What the launchpad accepts; types come from `params.Params`, defaults and comments from params.yaml.

    A mapping, like train.models, has no default here: the browser would leave out what is empty in it, and send the
    rest. One that is not written in the launchpad stays as it is in params.yaml.
    """
    values, said = params.load().model_dump(by_alias=True), _comments(paths.place(FILE))
    sections = {}
    for name, section in Params.model_fields.items():
        key = section.alias or name
        sections[key] = Shape(
            {
                one: Field(
                    _kind(field.annotation, f"{key}_{one}"),
                    is_required=False,
                    description=said.get((key, one)),
                    **({} if isinstance(values[key][one], dict) else {"default_value": values[key][one]}),
                )
                for one, field in section.annotation.model_fields.items()
            }
        )
    return Shape(sections)


def _kind(annotation: Any, name: str) -> Any:
    """Dagster's type of a field of `params.Params`."""
    if get_origin(annotation) is Literal:
        return Enum(name, [EnumValue(value) for value in get_args(annotation)])
    if get_origin(annotation) is list:
        return Array(get_args(annotation)[0])
    return Anything if get_origin(annotation) is dict else annotation


def _comments(path: Path) -> dict[tuple[str, str], str]:
    parts = re.split(r"(?m)^(\w+):", path.read_text(encoding="utf-8"))
    return {
        (name, key): text
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
        for key, text in COMMENT.findall(body)
    }


def checked(values: Values) -> Values:
    """The values with which the run may start.

    Another shop without another folder means the folder of that name, as in `recomart shop use`.

    Raises
    ------
    UserError
        One line per mistake, before anything is written.
    """
    before = params.load().model_dump(by_alias=True)
    asked = {section: {**keys, **values.get(section, {})} for section, keys in before.items()}
    base = asked["base"]
    if base["shop"] != before["base"]["shop"] and base["source"] == before["base"]["source"]:
        base["source"] = (paths.SOURCE / base["shop"]).as_posix()
    found = config.checked(Params, asked, Path("the launchpad's resources.params.config"))
    shop = shops.load(base["shop"])
    if not (shop.simulated or shop.api or paths.place(base["source"]).is_dir()):
        raise UserError(f"base.source: there is no folder {base['source']}. Where do the files of '{shop.name}' lie?")
    return found.model_dump(by_alias=True)


def write(context: InitResourceContext) -> Values:
    """Write what differs from params.yaml into it, and note in the run's tags what that was; once in a run."""
    values: Values = context.resource_config
    run = context.instance.get_run_by_id(context.run.run_id) if context.instance and context.run else None
    if run and run.tags.get(WRITTEN) == run.run_id:
        return values  # Dagster asks for resources again at a run's end; params.yaml may have been edited since
    if changes := different(values):
        params_writer.put(paths.place(FILE), changes)
    told = ", ".join(f"{section}.{key} = {value}" for section, keys in changes.items() for key, value in keys.items())
    context.log.info(f"params.yaml: {told or 'as it is'}; shop {values['base']['shop']}")
    if run:
        tags = {WRITTEN: run.run_id, "recomart/shop": values["base"]["shop"]}
        context.instance.add_run_tags(run.run_id, tags | {"recomart/params": told or "as in params.yaml"})
    return values


def different(values: Values) -> Values:
    """Of `values`, those that params.yaml does not hold."""
    before = params.load().model_dump(by_alias=True)
    changes = {
        section: {key: value for key, value in keys.items() if value != before[section][key]}
        for section, keys in values.items()
    }
    return {section: keys for section, keys in changes.items() if keys}
