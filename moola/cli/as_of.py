"""The verb that measures how late a run's calls would be."""

from __future__ import annotations

import argparse
from typing import Any

from moola import runs
from moola.workspace import Workspace


def _add_as_of(verb: argparse.ArgumentParser) -> None:
    """Measure how late a run would call its held-out spans, with the bars after t hidden."""
    verb.add_argument("--run", required=True, metavar="RUN", help="run id or folder")
    verb.add_argument("--threshold", type=float, default=0.5, metavar="P",
                      help="posterior of the start, within ±3 bars, that is a call "
                      "(default: %(default)s)")  # fmt: skip
    verb.set_defaults(handler=_as_of)


def _as_of(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    from moola import as_of

    answer = as_of.measure(run, threshold=args.threshold)
    return answer, as_of.format_summary(answer)


VERBS = {"as-of": _add_as_of}
