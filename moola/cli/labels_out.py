"""Verbs that write labels for other tools."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from moola import exports
from moola.cli import options
from moola.store import LOCAL
from moola.workspace import Workspace


def _add_export(verb: argparse.ArgumentParser) -> None:
    """Write labels in a format of other tools, as a dataset, or as the whole event log."""
    known = "; ".join(f"{key}: {title}" for key, title in exports.FORMATS.items())
    verb.add_argument("format", choices=list(exports.FORMATS), metavar="FORMAT", help=known)
    verb.add_argument("--out", type=Path, required=True, metavar="PATH", help="file to write; for "
                      "dataset a folder")  # fmt: skip
    whose = verb.add_mutually_exclusive_group()
    whose.add_argument("--layer", default=LOCAL, metavar="NAME", help="whose labels (default: "
                       "%(default)s)")  # fmt: skip
    whose.add_argument("--standing", action="store_true", help="one label a window of all people: "
                       "adjudicated, else the only one, else agreed")  # fmt: skip
    verb.add_argument("--series", metavar="S", help="windows of one series only")
    verb.set_defaults(handler=_export)


def _export(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    with options.opened(workspace) as (store, bar_store):
        report = exports.export(
            args.format,
            args.out,
            store,
            bar_store,
            layer=exports.STANDING if args.standing else args.layer,
            series=args.series,
        )
    return report, str(report)


VERBS = {"export": _add_export}
