"""What the verbs share: the workspace's store and bars, names and help of options."""

from __future__ import annotations

from moola.bars import BarStore
from moola.config import FinetuneConfig
from moola.store import LabelStore
from moola.workspace import Workspace


def open_workspace(workspace: Workspace) -> tuple[LabelStore, BarStore]:
    """Return the label store and the bars of a workspace."""
    return LabelStore.open(workspace.store_url), BarStore(workspace.bars_dir)


def flag(name: str) -> str:
    """Return the command line's spelling of an option.

    >>> flag("batch_size")
    '--batch-size'
    """
    return "--" + name.replace("_", "-")


def config_help(name: str) -> str:
    """Return what `FinetuneConfig` says about one of its options."""
    return FinetuneConfig.__dataclass_fields__[name].metadata["help"]
