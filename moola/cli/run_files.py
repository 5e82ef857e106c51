"""Verbs that write what others read of a run: its history as a table, its report as a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

from moola import report, run_exports, run_figures, runs
from moola.exceptions import ConfigError
from moola.workspace import Workspace


def _add_export_run(verb: argparse.ArgumentParser) -> None:
    """Write the history of a run as CSV, Parquet or JSON."""
    verb.add_argument("run", metavar="RUN", help="run id or folder")
    verb.add_argument("--format", choices=get_args(run_exports.Format),
                      help="default: what the ending of --out says, else csv")  # fmt: skip
    verb.add_argument("--out", type=Path, metavar="FILE", help="default: RUN.<format> here")
    verb.set_defaults(handler=_export_run)


def _export_run(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    ending = args.out.suffix.removeprefix(".") if args.out else ""
    file_format = args.format or ending or "csv"
    if file_format not in run_exports.FORMATS:
        raise ConfigError(
            f"--out should end with {', '.join(run_exports.FORMATS)}, or --format should name one. "
            f"Found {args.out}."
        )
    out = args.out or Path(f"{run.id}.{file_format}")
    out.write_bytes(run_exports.write_history(run, file_format))
    return {"file": str(out), "epochs": len(run.history())}, f"{len(run.history())} epochs: {out}"


def _add_report(verb: argparse.ArgumentParser) -> None:
    """Write a run's report as one HTML file that needs no network."""
    verb.add_argument("run", metavar="RUN", help="run id or folder")
    verb.add_argument("--out", type=Path, metavar="FILE", help="default: RUN.html here")
    verb.add_argument("--figures", type=Path, metavar="DIR", help="write every figure too, each as "
                      "an HTML file of its own")  # fmt: skip
    verb.set_defaults(handler=_report)


def _report(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    out = args.out or Path(f"{run.id}.html")
    out.write_text(report.as_html(run), encoding="utf-8")
    written = [out]
    if args.figures:
        args.figures.mkdir(parents=True, exist_ok=True)
        for name in run_figures.names_of(run):
            path = args.figures / f"{run.id}-{name}.html"
            path.write_text(run_figures.figure_file(run, name), encoding="utf-8")
            written.append(path)
    return {"files": [str(path) for path in written]}, "\n".join(map(str, written))


VERBS = {"export-run": _add_export_run, "report": _add_report}
