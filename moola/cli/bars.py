"""Verbs that bring bars and labels in and propose spans on them."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from moola import bar_import, fetching, importing, proposals, vendors
from moola.cli import labels_in, options
from moola.proposing import propose_series
from moola.workspace import Workspace


def _add_import(verb: argparse.ArgumentParser) -> None:
    """Import bars in the format of any vendor, labels, or an event log, and say what was found."""
    verb.add_argument("file", type=Path, metavar="FILE")
    _add_bar_options(verb)
    labels_in.add_options(verb)
    verb.set_defaults(handler=_import)


def _add_bar_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--name", metavar="S", help="name of the series (default: the instrument, "
                      "or else the file name)")  # fmt: skip
    verb.add_argument("--symbol", metavar="S", help="which instrument of a file with several; "
                      "the name of the series otherwise")  # fmt: skip
    verb.add_argument("--tz", metavar="ZONE", help="time zone of stamps without one, for example "
                      "America/New_York")  # fmt: skip
    verb.add_argument("--stamp", choices=("start", "end"), help="side of the bar that is stamped")
    verb.add_argument("--bar", metavar="SIZE", help="length of a bar, for example 1min")
    verb.add_argument("--date-order", choices=("dmy", "mdy", "ymd"), help="how dates are written")
    verb.add_argument("--exchange-tz", metavar="ZONE", help="time zone of the exchange")
    verb.add_argument("--leave-out-refused", action="store_true", help="take the good rows of a "
                      "file that has others too")  # fmt: skip
    verb.add_argument("--dry-run", action="store_true", help="only say what the file holds")


def _import(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    if labels_in.is_for(args.file):
        return labels_in.run(args, workspace)
    return _import_bars(args.file, args, workspace)


def _import_bars(path: Path, args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    answers = vendors.Answers(
        tz=args.tz, stamp=args.stamp, symbol=args.symbol, bar=args.bar, date_order=args.date_order
    )
    found = vendors.recognise(path)
    notes = "".join(f"\n{note}" for note in found.notes)
    head = f"{path.name}: {found.title}{notes}"
    if args.dry_run:
        return _try_bars(path, found, answers, args, head)
    with options.opened(workspace) as (store, bar_store), _progress_bar(path) as progress:
        report = importing.import_bars(
            path,
            store,
            bar_store,
            answers=answers,
            name=args.name,
            tz_exchange=args.exchange_tz,
            leave_out_refused=args.leave_out_refused,
            progress=progress,
        )
    return report, f"{head}\n{report.preview}\n{report}"


def _try_bars(
    path: Path,
    found: vendors.Recognition,
    answers: vendors.Answers,
    args: argparse.Namespace,
    head: str,
) -> tuple[Any, str]:
    """Say what a file holds, or what it does not say; `WouldBeRefused` if it cannot come in so."""
    if missing := vendors.open_questions(found, answers):
        lines = [head, "What the file does not say:", *map(str, missing)]
        raise options.WouldBeRefused(found, "\n".join(lines))
    with _progress_bar(path) as progress:
        preview = vendors.preview(path, answers, tz_exchange=args.exchange_tz, progress=progress)
    text = f"{head}\n{preview}\nNothing was written."
    problem = bar_import.why_refused(preview, leave_out_refused=args.leave_out_refused)
    if problem is not None:
        raise options.WouldBeRefused(preview, f"{text} {problem}")
    return preview, text


def _add_fetch(verb: argparse.ArgumentParser) -> None:
    """Fetch the latest bars of a symbol from Yahoo and import them."""
    verb.add_argument("yahoo_symbol", metavar="SYMBOL", help="as Yahoo names it, such as NQ=F")
    verb.add_argument("--interval", default="1m", choices=tuple(fetching.INTERVALS))
    verb.add_argument("--period", metavar="P", help="how far back, such as 5d (default: as far as "
                      "Yahoo goes)")  # fmt: skip
    verb.add_argument("--name", metavar="S", help="name of the series (default: the symbol)")
    verb.add_argument("--leave-out-refused", action="store_true", help="take the good rows if "
                      "there are others too")  # fmt: skip
    verb.set_defaults(handler=_fetch)


def _fetch(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    with options.opened(workspace) as (store, bar_store):  # a store that is lost says so first
        found = fetching.fetch(
            args.yahoo_symbol,
            interval=args.interval,
            period=args.period,
            folder=workspace.fetched_dir,
        )
        report = importing.import_bars(
            found.path,
            store,
            bar_store,
            answers=found.answers,
            name=args.name or found.symbol,
            tz_exchange=found.tz_exchange,
            leave_out_refused=args.leave_out_refused,
        )
    return report, f"{found.n_bars:,} bars fetched to {found.path}\n{report.preview}\n{report}"


@contextmanager
def _progress_bar(path: Path) -> Iterator[vendors.Progress]:
    """Draw on a terminal how much of a file has been read."""
    size = path.stat().st_size
    with tqdm(
        total=size, unit="B", unit_scale=True, desc=path.name, leave=False, disable=None
    ) as drawn:

        def show(share: float) -> None:
            drawn.update(int(share * size) - drawn.n)

        yield show


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
    params = proposals.RuleParams(
        **{item.name: getattr(args, item.name) for item in fields(proposals.RuleParams)}
    )
    with options.opened(workspace) as (store, bar_store):
        series = store.find_series(args.series)
        report = propose_series(series, store, bar_store, params=params, op_id=uuid.uuid4().hex)
    return report, f"{series.series_id}: {report.n_proposals} proposals, {report.n_new} of them new"


VERBS = {"import": _add_import, "fetch": _add_fetch, "propose": _add_propose}
