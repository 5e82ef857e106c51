"""Verbs that bring bars and labels in and propose spans on them."""

from __future__ import annotations

import argparse
import uuid
from dataclasses import fields
from pathlib import Path
from typing import Any

from moola import proposals
from moola.cli import options
from moola.importing import import_file
from moola.proposing import propose_series
from moola.workspace import Workspace


def _add_import(verb: argparse.ArgumentParser) -> None:
    """Import a label Parquet, or bars as Parquet or CSV with named columns."""
    verb.add_argument("file", type=Path, metavar="FILE")
    verb.add_argument("--symbol", metavar="S", help="name of the instrument (default: file name)")
    verb.add_argument("--tz", metavar="ZONE", help="time zone of stamps without one, for example "
                      "America/New_York")  # fmt: skip
    verb.set_defaults(handler=_import)


def _import(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    report = import_file(
        args.file, *options.open_workspace(workspace), symbol=args.symbol, tz=args.tz
    )
    return report, str(report)


def _add_propose(verb: argparse.ArgumentParser) -> None:
    """Propose spans on the bars of a series by the written rule."""
    verb.add_argument("--series", required=True, metavar="S", help="series id or symbol")
    for item in fields(proposals.RuleParams):
        verb.add_argument(
            options.flag(item.name),
            type=type(item.default),
            default=item.default,
            metavar="X",
            help=f"{item.metadata['help']} (default: %(default)s)",
        )
    verb.set_defaults(handler=_propose)


def _propose(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    store, bar_store = options.open_workspace(workspace)
    params = proposals.RuleParams(
        **{item.name: getattr(args, item.name) for item in fields(proposals.RuleParams)}
    )
    series = store.find_series(args.series)
    report = propose_series(series, store, bar_store, params=params, op_id=uuid.uuid4().hex)
    return report, f"{series.series_id}: {report.n_proposals} proposals, {report.n_new} of them new"


VERBS = {"import": _add_import, "propose": _add_propose}
