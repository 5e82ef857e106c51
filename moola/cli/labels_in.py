"""What the import verb does with labels: whose they are, and what would come of it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from moola import importing
from moola.cli import options
from moola.label_formats import event_log
from moola.label_import import LabelPlan, plan_labels
from moola.store import LOCAL
from moola.workspace import Workspace


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of labels to the import verb."""
    verb.add_argument("--layer", default=LOCAL, metavar="NAME", help="whose labels they are "
                      "(default: %(default)s)")  # fmt: skip
    verb.add_argument("--series", metavar="S", help="series in which raw positions of a label file "
                      "count, if it does not say")  # fmt: skip


def is_for(path: Path) -> bool:
    """Return whether a file holds labels or events rather than bars."""
    return event_log.recognises(path) or importing.holds_labels(path)


def run(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    """Import labels or events, or with ``--dry-run`` say what would come of it."""
    with options.opened(workspace) as (store, bar_store):
        if not args.dry_run:
            report = importing.import_file(
                args.file, store, bar_store, layer=args.layer, series=args.series
            )
            return report, str(report)
        if event_log.recognises(args.file):
            return _events(args.file)
        plan = plan_labels(args.file, store, bar_store, layer=args.layer, series=args.series)
    if plan.refused:
        raise options.WouldBeRefused(_answer(plan), str(plan))
    return _answer(plan), str(plan)


def _events(path: Path) -> tuple[Any, str]:
    n_events = len(event_log.read(path))
    text = f"{path.name}: an event log of {n_events:,} events. Nothing was written."
    return {"format": "events", "n_rows": n_events}, text


def _answer(plan: LabelPlan) -> dict[str, Any]:
    return {
        "format": plan.format,
        "layer": plan.layer,
        "n_rows": plan.n_rows,
        "n_ok": plan.n_ok,
        "n_repaired": plan.n_repaired,
        "n_refused": plan.n_refused,
        "n_cold": plan.n_cold,
        "refused": [asdict(row) for row in plan.refused],
        "repaired": list(plan.repaired),
        "windows": [
            {
                "names": item.names,
                "window_uid": item.window_uid,
                "series_id": item.place.series_id,
                "bar_start": item.place.bar_start,
                "shift_bars": item.shift.bars if item.shift else None,
                "shift_of": item.shift.of if item.shift else None,
                "n_spans": len(item.record.spans),
                "state": item.record.state,
            }
            for item in plan.windows
        ],
    }
