"""Verb that trains a set of balances on the same data and seeds, and prints their table."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from typing import Any

from moola import strategies, strategy_table
from moola.cli import options, training
from moola.config import FinetuneConfig
from moola.workspace import Workspace

OWN = ("balance", "guard", "seed", "data", "release", "restart_from")
"""Options that the group sets itself, or that `_add_strategies` adds in its own way."""


def _add_strategies(verb: argparse.ArgumentParser) -> None:
    """Train a set of balances on the same data and seeds, then print their table."""
    verb.add_argument("--group", metavar="NAME", help="name of the group (default: the time); one "
                      "that exists keeps its options, and what is named here is added")  # fmt: skip
    verb.add_argument("--table", metavar="GROUP", help="train nothing, print the table as it is")
    verb.add_argument("--strategies", nargs="+", metavar="S",
                      help="balances, with +guard if guarded (default: "
                      f"{' '.join(strategies.STRATEGIES)})")  # fmt: skip
    verb.add_argument("--seeds", nargs="+", type=int, metavar="N", help="default: 0 1 2")
    source = verb.add_mutually_exclusive_group()
    source.add_argument("--data", metavar="FILE", help=options.config_help("data"))
    source.add_argument("--release", metavar="NAME", help=options.config_help("release"))
    source.add_argument("--store", action="store_true", help="train on the store (the default)")
    for item in fields(FinetuneConfig):
        if item.name not in OWN:
            training.add_option(verb, item.name, item.default)
    verb.set_defaults(handler=_strategies)


def _strategies(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    if args.table:
        plan = strategies.read_plan(args.table, workspace)
    else:
        plan = strategies.make_plan(
            workspace,
            training.config_of(args, workspace),
            group=args.group,
            strategies=args.strategies,
            seeds=args.seeds,
        )
        plan = strategies.carry_out(plan, workspace, on_progress=_say)
    table = strategy_table.table_of(plan, workspace)
    folder = strategy_table.save(table, plan, workspace)
    return table, f"{strategy_table.as_text(table)}\n{folder}" if len(table) else (
        f"No run of {plan.group} has finished yet."
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


VERBS = {"strategies": _add_strategies}
