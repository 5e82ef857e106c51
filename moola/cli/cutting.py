"""The verb that cuts windows out of imported bars."""

from __future__ import annotations

import argparse
import uuid
from dataclasses import fields
from datetime import datetime
from typing import Any

from moola.cli import options
from moola.cutting import CutOptions, cut_series
from moola.workspace import Workspace

_HELP = {item.name: item.metadata["help"] for item in fields(CutOptions)}


def _add_cut(verb: argparse.ArgumentParser) -> None:
    """Cut windows out of a series; the same cut twice adds nothing."""
    verb.add_argument("--series", required=True, metavar="S", help="series id or symbol")
    verb.add_argument("--stride", type=int, metavar="N", default=CutOptions().stride_bars,
                      help=f"{_HELP['stride_bars']} (default: %(default)s)")  # fmt: skip
    verb.add_argument("--max-gap", type=float, metavar="MIN", help=_HELP["max_gap_min"])
    verb.add_argument("--session", metavar="HH:MM-HH:MM", help=_HELP["session"])
    verb.add_argument("--hours", metavar="NAMES", default="",
                      help=f"{_HELP['hours']}; several with commas")  # fmt: skip
    verb.add_argument("--zone", metavar="ZONE", help=_HELP["zone"])
    verb.add_argument("--roll-at", action="append", default=[], type=_time, metavar="TIME",
                      help="first bar of a new contract, such as 2022-03-14T22:00+00:00; may be "
                      "given several times")  # fmt: skip
    verb.add_argument("--guess-rolls", action="store_true", help=_HELP["guess_rolls"])
    verb.set_defaults(handler=_cut)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _cut(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    how = CutOptions(
        stride_bars=args.stride,
        max_gap_min=args.max_gap,
        session=args.session,
        hours=tuple(name.strip() for name in args.hours.split(",") if name.strip()),
        zone=args.zone,
        roll_at=tuple(args.roll_at),
        guess_rolls=args.guess_rolls,
    )
    with options.opened(workspace) as (store, bar_store):
        series = store.find_series(args.series)
        report = cut_series(series, store, bar_store, how, op_id=f"cut-{uuid.uuid4().hex}")
    return report, str(report)


VERBS = {"cut": _add_cut}
