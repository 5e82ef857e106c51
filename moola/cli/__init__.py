"""The command line: one sub-command a verb, one workspace a call.

Exit codes: 0 done, 2 bad input (one clear sentence on stderr, or the report of a dry run whose
import would be refused), 1 crash, 130 interrupted.
A verb's function adds its options; its docstring is the verb's help.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moola import __version__
from moola.cli import options
from moola.exceptions import ImportRefused, MoolaError
from moola.workspace import DEFAULT_WORKSPACE, Workspace

LISTED_ROWS = 20
LOG_FORMAT = "%(asctime)s %(message)s"
VERBS = {
    "sample": "workspace",
    "doctor": "workspace",
    "import": "bars",
    "fetch": "bars",
    "propose": "bars",
    "cut": "cutting",
    "rule": "rule",
    "verify-store": "store",
    "backup": "store",
    "restore": "store",
    "export": "labels_out",
    "release": "releases",
    "rehome": "releases",
    "pretrain": "pretraining",
    "finetune": "training",
    "evaluate": "training",
    "judge": "training",
    "predict": "training",
    "devices": "training",
    "scan": "scanning",
    "as-of": "as_of",
    "sweep": "sweeping",
    "crossval": "crossval",
    "strategies": "strategies",
    "audit": "reviewing",
    "model-card": "reviewing",
    "export-spans": "reviewing",
    "learning-curve": "reviewing",
    "export-run": "run_files",
    "report": "run_files",
}
"""The module of each verb; a call imports only the one it needs, since all take half a second."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    args = _parser([words[0]] if words and words[0] in VERBS else VERBS).parse_args(words)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, datefmt="%H:%M:%S")
    workspace = Workspace(
        args.workspace,
        os.environ.get("MOOLA_DATABASE_URL"),
        os.environ.get("MOOLA_RAY_ADDRESS") or None,
    )
    code = 0
    try:
        answer, text = args.handler(args, workspace)
    except options.WouldBeRefused as found:
        answer, text, code = found.answer, found.text, 2
    except MoolaError as error:
        _print_error(error, as_json=args.json)
        return 2
    except OSError as error:
        # A full disk or a folder without permission is nothing that a traceback would explain.
        _print_error(
            MoolaError(f"A file could not be read or written: {error}."), as_json=args.json
        )
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    _say(json.dumps(answer, indent=1, default=_to_json) if args.json else text)
    return code


def _say(text: str) -> None:
    """Print, unless whoever read the output has left, as ``head`` does: that is nobody's error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # the interpreter flushes once more at its end, and would complain of the pipe then
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(names: Iterable[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="moola", description="Label, learn and review expansions in 105-bar market windows."
    )
    parser.add_argument("--version", action="version", version=f"moola {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in names:
        add = import_module(f"moola.cli.{VERBS[name]}").VERBS[name]
        verb = verbs.add_parser(name, help=add.__doc__, description=add.__doc__)
        verb.add_argument(
            "--workspace",
            type=Path,
            default=Path(os.environ.get("MOOLA_WORKSPACE") or DEFAULT_WORKSPACE),
            metavar="DIR",
            help="folder of store, bars, runs and artifacts (default: MOOLA_WORKSPACE or data)",
        )
        verb.add_argument("--json", action="store_true", help="print the answer as JSON")
        add(verb)
    return parser


def _print_error(error: MoolaError, *, as_json: bool) -> None:
    rows = error.rows if isinstance(error, ImportRefused) else ()
    if as_json:
        _say(json.dumps({"error": str(error), "rows": [asdict(row) for row in rows]}))
    print(f"error: {error}", file=sys.stderr)
    for row in rows[:LISTED_ROWS]:
        print(f"  {row}", file=sys.stderr)
    if len(rows) > LISTED_ROWS:
        print(f"  and {len(rows) - LISTED_ROWS} more rows", file=sys.stderr)


def _to_json(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return json.loads(value.to_json(orient="records", date_format="iso") or "[]")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.tolist() if isinstance(value, np.generic) else str(value)
