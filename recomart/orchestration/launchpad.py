"""params.yaml in Dagster's launchpad: typed, validated before a run is created, written when it starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from dagster import Any as Anything
from dagster import Array, Enum, EnumValue, Field, InitResourceContext, ResourceDefinition, Shape

from recomart.project import params, params_writer
from recomart.project.params import Params
from recomart_lib.core import config, paths, project_lock, shops
from recomart_lib.core.errors import UserError

FILE = "params.yaml"
WRITTEN_BY = "recomart/params_written_by"  # run tag with the run's id: a re-executed run inherits tags
COMMENT = re.compile(r"^  (\w+):[^#\n]*#\s*(.+)$", re.MULTILINE)

Values = dict[str, dict[str, Any]]


def resource() -> ResourceDefinition:
    """The resource `params`: its config has the sections and keys of params.yaml, with its values as defaults."""
    writer = ResourceDefinition(write, config_schema=Field(dict), description="params.yaml of this run")
    return writer.configured(
        validated, config_schema=schema(), description="The shop and all parameters of params.yaml"
    )


def schema() -> Shape:
    """The launchpad's schema: types from `params.Params`, defaults and descriptions from params.yaml.

    A mapping, like train.models, has no default: the browser would drop its empty entries and send the rest. A mapping
    that is not set in the launchpad keeps its value in params.yaml.
    """
    values, comments = params.load().model_dump(by_alias=True), _comments(paths.place(FILE))
    sections = {}
    for name, section in Params.model_fields.items():
        key = section.alias or name
        sections[key] = Shape(
            {
                field_name: Field(
                    _kind(field.annotation, f"{key}_{field_name}"),
                    is_required=False,
                    description=comments.get((key, field_name)),
                    **({} if isinstance(values[key][field_name], dict) else {"default_value": values[key][field_name]}),
                )
                for field_name, field in section.annotation.model_fields.items()
            }
        )
    return Shape(sections)


def _kind(annotation: Any, name: str) -> Any:
    """The Dagster type for a field of `params.Params`."""
    if get_origin(annotation) is Literal:
        return Enum(name, [EnumValue(value) for value in get_args(annotation)])
    if get_origin(annotation) is list:
        return Array(get_args(annotation)[0])
    return Anything if get_origin(annotation) is dict else annotation


def _comments(path: Path) -> dict[tuple[str, str], str]:
    """(section, key) -> the comment at the end of its line."""
    parts = re.split(r"(?m)^(\w+):", path.read_text(encoding="utf-8"))
    return {
        (name, key): text
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
        for key, text in COMMENT.findall(body)
    }


def validated(values: Values) -> Values:
    """All parameters of the run: the values of the launchpad, and params.yaml for the rest.

    Another shop without another source folder means data/source/<shop>, as in `recomart shop use`.

    Raises
    ------
    UserError
        With one line per mistake, before anything is written.
    """
    current = params.load().model_dump(by_alias=True)
    merged = {section: {**keys, **values.get(section, {})} for section, keys in current.items()}
    base = merged["base"]
    if base["shop"] != current["base"]["shop"] and base["source"] == current["base"]["source"]:
        base["source"] = (paths.SOURCE / base["shop"]).as_posix()
    parameters = config.validated(Params, merged, Path("the launchpad's resources.params.config"))
    shop = shops.load(base["shop"])
    shops.check_auth(shop, parameters.ingest.auth_variables)
    if not (shop.simulated or shop.api or paths.place(base["source"]).is_dir()):
        raise UserError(
            f"base.source: there is no folder {base['source']}. Give the folder with the files of '{shop.name}'."
        )
    return parameters.model_dump(by_alias=True)


def write(context: InitResourceContext) -> Values:
    """Write changed values to params.yaml and record them in the run's tags; once per run."""
    values: Values = context.resource_config
    run = context.instance.get_run_by_id(context.run.run_id) if context.instance and context.run else None
    if run and run.tags.get(WRITTEN_BY) == run.run_id:
        return values  # Dagster initialises resources again at the end of a run; params.yaml may have been edited since
    if changes := changed_values(values):
        with project_lock.held("Dagster, which writes params.yaml", brief=True):  # not in the midst of another run
            params_writer.update(paths.place(FILE), changes)
    summary = ", ".join(
        f"{section}.{key} = {value}" for section, keys in changes.items() for key, value in keys.items()
    )
    context.log.info(f"params.yaml: {summary or 'unchanged'}; shop {values['base']['shop']}")
    if run:
        tags = {WRITTEN_BY: run.run_id, "recomart/shop": values["base"]["shop"]}
        context.instance.add_run_tags(run.run_id, tags | {"recomart/params": summary or "as in params.yaml"})
    return values


def changed_values(values: Values) -> Values:
    """The `values` that differ from params.yaml."""
    current = params.load().model_dump(by_alias=True)
    changes = {
        section: {key: value for key, value in keys.items() if value != current[section][key]}
        for section, keys in values.items()
    }
    return {section: keys for section, keys in changes.items() if keys}
