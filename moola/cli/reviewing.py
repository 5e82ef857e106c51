"""Verbs that look back at a run: doubtful labels, its card, its spans for other tools."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from moola import audit, comparing, learning, model_card, runs, span_exports
from moola.cli import options
from moola.confidence import stored_abstention
from moola.exceptions import ConfigError
from moola.workspace import Workspace


def _add_audit(verb: argparse.ArgumentParser) -> None:
    """Rank the labels that a run doubts, with reasons; --send puts them into the desk's queue."""
    verb.add_argument("run", metavar="RUN", help="run id or folder; best a crossval run")
    verb.add_argument(
        "--top", type=int, default=20, metavar="N", help="labels to list (default: %(default)s)"
    )
    verb.add_argument("--send", action="store_true", help="send those listed to the desk")
    verb.add_argument("--blind", action="store_true", help="with --send: as the queue audit-blind")
    verb.set_defaults(handler=_audit)


def _audit(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    if args.top < 1:
        raise ConfigError(f"--top should be at least 1. Found {args.top}.")
    with options.opened(workspace) as (store, _):
        people = comparing.arrange(store.judgements())
        names = {row.window_uid: row.alias or row.window_uid for row in store.windows()}
    every = audit.suspects(run, people)
    found = every[: args.top]
    lines = [
        f"{place:>4}  {names.get(item.window_uid, item.window_uid):<24} {item.score:6.1f}  "
        f"{item.reason}"
        for place, item in enumerate(found, 1)
    ]
    lines.append(f"{len(found)} of {len(every)} windows that the run did not train on.")
    if args.send:
        audit.send(run, found, blind=args.blind)
        queue = "audit-blind" if args.blind else "audit"
        lines.append(f"Sent to the desk's queue {queue}; no label was changed.")
    return {"suspects": found, "sent": args.send}, "\n".join(lines)


def _add_model_card(verb: argparse.ArgumentParser) -> None:
    """Write the card of a run: data, rule, split, results, limits."""
    verb.add_argument("run", metavar="RUN", help="run id or folder")
    verb.add_argument("--out", type=Path, metavar="FILE",
                      help=".md or .html (default: model_card.md in the run's folder)")  # fmt: skip
    verb.set_defaults(handler=_model_card)


def _model_card(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    with options.opened(workspace) as (store, bar_store):
        path = model_card.write_card(run, args.out or run.path / "model_card.md", store, bar_store)
    return {"file": str(path)}, str(path)


def _add_export_spans(verb: argparse.ArgumentParser) -> None:
    """Export what a run found: proposals in the queue, Parquet, a TradingView script, ONNX."""
    verb.add_argument("run", metavar="RUN", help="run id or folder")
    verb.add_argument("--to", required=True, choices=tuple(span_exports.FORMATS), help="; ".join(
        f"{key}: {title}" for key, title in span_exports.FORMATS.items()))  # fmt: skip
    verb.add_argument("--out", type=Path, metavar="FILE", help="file to write (not for proposals)")
    verb.add_argument("--predictions", type=Path, metavar="FILE", help="what moola predict --run "
                      "RUN --out FILE wrote, instead of the run's own windows")  # fmt: skip
    verb.add_argument("--series", metavar="S", help="spans of this series only")
    options.add_abstain(verb)
    verb.set_defaults(handler=_export_spans)


def _export_spans(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    if args.to != "proposals" and args.out is None:
        raise ConfigError(f"--out should name the file that --to {args.to} writes. Found none.")
    if args.to == "onnx":
        return _export_onnx(run, args.out)
    chosen = stored_abstention(run.path) if args.abstain else None
    table = None if args.predictions is None else pd.read_parquet(args.predictions)
    with options.opened(workspace) as (store, bar_store):
        spans = span_exports.spans_of(run, store, table)
        if chosen is not None:
            spans = span_exports.sure_spans(spans, chosen.threshold)
            print(f"Abstaining: {chosen}", file=sys.stderr)
        if args.series:
            wanted = store.find_series(args.series).series_id
            spans = [span for span in spans if span.series_id == wanted]
        if args.to == "proposals":
            done = span_exports.propose(run, spans, store, bar_store)
            return done, str(done)
        if args.to == "parquet":
            n_rows = span_exports.write_table(run, spans, args.out, store, bar_store)
            return {"file": str(args.out), "n_windows": n_rows}, f"{n_rows} windows: {args.out}"
        notes = span_exports.write_script(spans, args.out, store, bar_store)
        return {"file": str(args.out), "notes": notes}, "\n".join([str(args.out), *notes])


def _export_onnx(run: runs.RunFolder, path: Path) -> tuple[Any, str]:
    from moola.onnx_export import export_onnx  # torch: loaded only where it is needed

    differences = export_onnx(run, path)
    told = ", ".join(f"{name} {found:.1e}" for name, found in differences.items())
    answer = {"file": str(path), "largest_difference": differences}
    return answer, f"{path}\nLargest difference to PyTorch on the run's windows: {told}"


def _add_learning_curve(verb: argparse.ArgumentParser) -> None:
    """Train a run's recipe on growing numbers of its labels; say what more labels would bring."""
    verb.add_argument("run", metavar="RUN", help="run id or folder")
    verb.add_argument("--sizes", type=int, nargs="+", default=[50, 100], metavar="N",
                      help="numbers of training labels beside all (default: 50 100)")  # fmt: skip
    for name, default, text in (
        ("folds", 5, "parts, each of which is tested once"),
        ("repeats", 1, "draws of folds and labels"),
        ("workers", 1, "trainings side by side"),
    ):
        verb.add_argument(
            options.flag(name), type=int, default=default, metavar="N", help=f"{text} (%(default)s)"
        )
    verb.set_defaults(handler=_learning_curve)


def _learning_curve(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    if args.workers < 1:
        raise ConfigError(f"--workers should be at least 1. Found {args.workers}.")
    from moola.learning_curve import measure  # torch: loaded only where it is needed

    path = measure(
        run,
        sizes=args.sizes,
        folds=args.folds,
        repeats=args.repeats,
        workers=args.workers,
        on_progress=lambda done, n: print(f"{done} of {n} trainings", file=sys.stderr, flush=True),
    )
    table = pd.read_parquet(path)
    points, found = learning.points(table), learning.fit(table)
    lines = [
        f"{item.x:6.0f} labels  {item.share:6.1%}  "
        + ("" if item.low is None else f"{item.low:.1%} .. {item.high:.1%}")
        for item in points
    ]
    lines.append(str(found) if found else "Three sizes are needed to fit a line.")
    return {"file": str(path), "points": points, "fit": found}, "\n".join(lines)


VERBS = {
    "audit": _add_audit,
    "model-card": _add_model_card,
    "export-spans": _add_export_spans,
    "learning-curve": _add_learning_curve,
}
