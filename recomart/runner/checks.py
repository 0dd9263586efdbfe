"""What can be checked before a stage's notebook runs: params.yaml, the shop and its files, the parameters cell."""

from __future__ import annotations

import ast
from typing import Any

import nbformat

from recomart.project import params
from recomart.project.params import Params
from recomart_lib.core import paths, shops
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.features import definitions, engine
from recomart_lib.train import search_space
from recomart_lib.validate import quality_rules


def check(name: str, section: str, notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """Check a stage, of which `section` of params.yaml has the settings.

    Returns
    -------
    dict
        The values for the notebook's parameters cell.
    """
    settings = params.load()
    shop = shops.load(settings.base.shop)
    quality_rules.rules(quality_rules.of_shop(settings.validate_, shop))
    search_space.check(settings.train)
    definitions.definitions(settings.train.feature_service)
    engine.check(settings.base.engine)
    if name == "01_ingest":
        from recomart_lib.ingest import ingestion  # slow, and for this stage only

        ingestion.check(shop, paths.place(settings.base.source), settings.ingest)
    elif not paths.place(paths.RAW, f"source={shop.name}").is_dir():
        raise UserError(f"Nothing of shop '{shop.name}' is ingested yet. Run: dvc repro")
    return _parameters(name, section, notebook, settings)


def _parameters(name: str, section: str, notebook: nbformat.NotebookNode, settings: Params) -> dict[str, Any]:
    values = settings.section(section).model_dump()
    available = {**settings.base.model_dump(), **values}
    declared = declared_parameters(notebook)
    if unknown := [parameter for parameter in declared if parameter not in available]:
        raise UserError(
            f"notebooks/{name}.ipynb declares '{unknown[0]}', which is in neither base nor "
            f"{section} of params.yaml. {suggestion(unknown[0], list(available))}"
        )
    if missing := [parameter for parameter in values if parameter not in declared]:
        raise UserError(f"notebooks/{name}.ipynb: the parameters cell lacks {', '.join(missing)}.")
    return {parameter: available[parameter] for parameter in declared}


def declared_parameters(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """The assignments in the cell tagged `parameters`: name -> default."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise UserError(f"A stage notebook must have exactly one cell tagged 'parameters'; found {len(cells)}.")
    try:
        statements = [node for node in ast.parse(cells[0].source).body if isinstance(node, ast.Assign)]
        return {node.targets[0].id: ast.literal_eval(node.value) for node in statements}
    except (SyntaxError, ValueError, AttributeError) as error:
        raise UserError(
            f"The cell tagged 'parameters' must assign one plain value to one name per statement: {error}."
        ) from None
