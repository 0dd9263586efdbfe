"""feature_store.yaml, Feast's configuration: where the parts of the feature store are."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from recomart_lib.core.config import expand_env
from recomart_lib.core.errors import UserError
from recomart_lib.core.yaml_reader import read_yaml

FILE = Path("feature_store.yaml")
LOCAL_FILES = ("file", "dask")  # Feast's types of an offline store of local files


def load(root: Path) -> dict[str, Any]:
    """The configuration with absolute SQLite paths: Feast would resolve them against the working directory.

    Raises
    ------
    UserError
        If the file, one of its keys, or an environment variable in it is missing.
    """
    path = root / FILE
    if not path.exists():
        raise UserError(f"{path}: no such file; it configures the feature store.")
    return _parsed(root, path.stat().st_mtime_ns)


def registry_url(root: Path) -> str:
    """The SQLAlchemy URL of the database with the registry and its history."""
    return load(root)["registry"]["path"]


def online_file(root: Path) -> Path | None:
    """The SQLite file of the online store; None for other online stores."""
    config = load(root)["online_store"]
    return Path(config["path"]) if config.get("type") == "sqlite" else None


def has_offline_files(root: Path) -> bool:
    """Whether the offline store is files on this machine, which need no Feast."""
    offline = load(root).get("offline_store", LOCAL_FILES[0])  # Feast's own default
    return (offline.get("type") if isinstance(offline, dict) else offline) in LOCAL_FILES


@lru_cache(maxsize=4)
def _parsed(root: Path, written: int) -> dict[str, Any]:
    config = expand_env(read_yaml(root / FILE), root / FILE)
    try:
        registry, online_store = dict(config["registry"]), dict(config["online_store"])
        url = str(registry["path"])
    except (KeyError, TypeError, ValueError) as problem:
        raise UserError(f"{root / FILE}: registry.path or online_store is missing ({problem}).") from None
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        registry["path"] = f"sqlite:///{(root / url.removeprefix('sqlite:///')).as_posix()}"
    if online_store.get("type") == "sqlite":
        online_store["path"] = str(root / online_store.get("path", "data/online.db"))
    return {**config, "registry": registry, "online_store": online_store}
