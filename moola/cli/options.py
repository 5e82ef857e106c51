"""What the verbs share: the workspace's store and bars, names and help of options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from moola.bars import BarStore
from moola.config import FinetuneConfig
from moola.exceptions import MoolaError
from moola.store import LabelStore
from moola.workspace import Workspace


class WouldBeRefused(MoolaError):
    """A dry run found what an import would refuse: its answer is printed, the exit code is 2."""

    def __init__(self, answer: Any, text: str) -> None:
        super().__init__(text)
        self.answer, self.text = answer, text


@contextmanager
def opened(workspace: Workspace) -> Iterator[tuple[LabelStore, BarStore]]:
    """Open the label store and the bars of a workspace for one verb."""
    with closing(LabelStore.open(workspace.store_url)) as store:
        yield store, BarStore(workspace.bars_dir)


def add_abstain(verb: argparse.ArgumentParser) -> None:
    """Add the switch that leaves out spans below the confidence which a run keeps."""
    verb.add_argument("--abstain", action="store_true",
                      help="leave out spans below the confidence that `evaluate` chose on "
                      "held-out windows of the run, and say what was kept there")  # fmt: skip


def flag(name: str) -> str:
    """Return the command line's spelling of an option.

    >>> flag("batch_size")
    '--batch-size'
    """
    return "--" + name.replace("_", "-")


def config_help(name: str) -> str:
    """Return what `FinetuneConfig` says about one of its options."""
    return FinetuneConfig.__dataclass_fields__[name].metadata["help"]
