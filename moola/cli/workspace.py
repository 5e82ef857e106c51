"""Verbs about the workspace as a whole."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from moola import doctor, launching, sample
from moola.cli import options
from moola.exceptions import MoolaError
from moola.workspace import Workspace


def _add_sample(verb: argparse.ArgumentParser) -> None:
    """Write a workspace of generated bars and labels."""
    verb.add_argument("--seed", type=int, default=sample.DEFAULT_SEED, help="default: %(default)s")
    verb.set_defaults(handler=_sample)


def _sample(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    with options.opened(workspace) as (store, bar_store):
        report = sample.write_sample(
            workspace, store, bar_store, seed=args.seed, progress=logging.info
        )
    return report, str(report)


def _add_doctor(verb: argparse.ArgumentParser) -> None:
    """Check that this machine and this workspace are fit to work with."""
    verb.set_defaults(handler=_doctor)


def _doctor(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    checks = [*doctor.check(workspace), doctor.check_devices(launching.list_devices)]
    text = "\n".join(f"{'ok ' if item.ok else 'BAD'} {item.name}: {item.found}" for item in checks)
    if not all(item.ok for item in checks):
        raise MoolaError(text)
    return {"checks": checks}, text


VERBS = {"sample": _add_sample, "doctor": _add_doctor}
