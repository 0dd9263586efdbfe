"""The models, by name. Importing this does not import implicit, Surprise or LightGBM."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

from recomart_lib.core.errors import UserError
from recomart_lib.models.als import Als
from recomart_lib.models.base import CARD_FILE, ArrayModel, read_card
from recomart_lib.models.basket import Basket
from recomart_lib.models.blend import Blend
from recomart_lib.models.bpr import Bpr
from recomart_lib.models.content import Content
from recomart_lib.models.ease import Ease
from recomart_lib.models.ials import Ials
from recomart_lib.models.item_knn import ItemKNN
from recomart_lib.models.own_history import OwnHistory, OwnHistoryDecayed
from recomart_lib.models.popularity import Popularity, RecentPopularity
from recomart_lib.models.random_baseline import RandomBaseline
from recomart_lib.models.repurchase import Repurchase
from recomart_lib.models.segment_popularity import SegmentPopularity
from recomart_lib.models.svd import Svd
from recomart_lib.models.svdpp import SvdPlusPlus
from recomart_lib.models.two_stage import TwoStage
from recomart_lib.models.user_knn import UserKNN

# Threads of OpenMP (LightGBM, implicit) spin while they wait for each other. Several models are fitted at the same
# time, so that a waiting thread takes its core from a working one. Read when OpenMP is loaded: both import it later.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

CLASSES = (
    RandomBaseline,
    Popularity,
    RecentPopularity,
    SegmentPopularity,
    OwnHistory,
    OwnHistoryDecayed,
    Repurchase,
    Content,
    ItemKNN,
    UserKNN,
    Ease,
    Basket,
    Als,
    Ials,
    Bpr,
    Blend,
    TwoStage,
    Svd,
    SvdPlusPlus,
)
MODELS: dict[str, type[ArrayModel]] = {model.name: model for model in CLASSES}


def create(name: str, **hyperparameters: Any) -> ArrayModel:
    """A new model, not fitted.

    Raises
    ------
    UserError
        If the model or a hyper-parameter does not exist (the message suggests the nearest), or a value is out of range.
    """
    if name not in MODELS:
        raise UserError(f"There is no model {name!r}{_nearest(name, list(MODELS))}.")
    names = MODELS[name].hyperparameter_names()
    for parameter in hyperparameters:
        if parameter not in names:
            raise UserError(f"{name} has no hyper-parameter {parameter!r}{_nearest(parameter, names)}.")
    return MODELS[name](**hyperparameters)


def load(folder: Path) -> ArrayModel:
    """The model that `save` wrote into a folder. Raises UserError that names the file."""
    name = read_card(folder)["model"]
    if name not in MODELS:
        raise UserError(f"{folder / CARD_FILE} names the model {name!r}, which does not exist in this version.")
    return MODELS[name].load(folder)


def _nearest(wrong: str, names: list[str]) -> str:
    near = difflib.get_close_matches(wrong, names, n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"{hint} Available: {', '.join(names) or 'none'}"
