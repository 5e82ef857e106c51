"""Checks that tell a user what is missing before he runs into it."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from moola.bars import BarStore
from moola.exceptions import MoolaError, StoreError
from moola.runs import list_runs
from moola.store import LabelStore
from moola.store.place import BACKUPS, backups, name_of, store_file
from moola.workspace import Workspace

OLDEST_PYTHON = (3, 11)
NEEDED_PACKAGES = ("streamlit", "torch", "pandas", "pyarrow", "plotly", "numba", "sqlalchemy")
ENOUGH_DISK_GB = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, whether it is fine, and what was found."""

    name: str
    ok: bool
    found: str


def check(workspace: Workspace) -> list[Check]:
    """Look at Python, packages, the workspace folder, its store, bars and runs."""
    return [
        _python(),
        _packages(),
        _attempt("workspace", lambda: _folder(workspace.root)),
        _attempt("label store", lambda: _store(workspace)),
        _attempt("backups", lambda: _backups(workspace)),
        _attempt("bars", lambda: _bars(workspace)),
        _attempt("runs", lambda: _runs(workspace)),
    ]


def check_devices(list_devices: Callable[[], list[dict[str, str]]]) -> Check:
    """Say which devices can train here."""
    return _attempt("devices", lambda: ", ".join(item["name"] for item in list_devices()))


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except (MoolaError, OSError) as error:
        return Check(name, False, str(error))


def _python() -> Check:
    return Check("python", sys.version_info >= OLDEST_PYTHON, platform.python_version())


def _packages() -> Check:
    missing = [name for name in NEEDED_PACKAGES if importlib.util.find_spec(name) is None]
    found = f"missing: {', '.join(missing)}; run make app" if missing else "all installed"
    return Check("packages", not missing, found)


def _folder(root: Path) -> str:
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=root):
        free_gb = shutil.disk_usage(root).free / 1e9
    if free_gb < ENOUGH_DISK_GB:
        raise MoolaError(f"{root} should have {ENOUGH_DISK_GB:g} GB free. Found {free_gb:.2f} GB.")
    return f"{root} is writable, {free_gb:.0f} GB free"


def _store(workspace: Workspace) -> str:
    with closing(LabelStore.open(workspace.store_url)) as store:
        damage, sizes, n_series = store.find_damage(), store.sizes(), len(store.series())
        counts: dict[Any, int] = store.counts()
    if damage:
        raise StoreError(f"The store should be what its log of events wrote. Found: {damage[0]}.")
    states = ", ".join(f"{n} {state}" for state, n in counts.items() if n) or "no windows yet"
    return (
        f"{n_series} series; windows: {states}; all as the log of {sizes['event']:,} events wrote "
        "it"
    )


def _backups(workspace: Workspace) -> str:
    url = make_url(workspace.store_url)
    file = store_file(url)
    if file is None:
        return f"{name_of(url)} is backed up by the tools of its server, such as pg_dump"
    with closing(LabelStore.open(workspace.store_url)) as store:
        if store.version() == 0:
            return "none yet: the store is empty"
    # the first to open a store on a day backs it up, so the doctor himself has just tried
    plain = [backup for backup in backups(file) if not backup.why]
    last = f"one of {plain[0].made_at:%Y-%m-%d %H:%M} UTC" if plain else "none"
    if not plain or plain[0].day != datetime.now(UTC).date():
        raise StoreError(
            f"The store should have a backup of today. Found {last} as the last; is "
            f"{file.parent / BACKUPS} a folder one can write to, with room on its disk?"
        )
    return f"{len(plain)} in {plain[0].path.parent}, the last is {last}"


def _bars(workspace: Workspace) -> str:
    bar_store = BarStore(workspace.bars_dir)
    with closing(LabelStore.open(workspace.store_url)) as store:
        series = store.series()
    for item in series:
        bar_store.ohlc(item.content_hash)
    return f"the bars of all {len(series)} series can be read"


def _runs(workspace: Workspace) -> str:
    statuses = [run.status() for run in list_runs(workspace.runs_dir)]
    damaged = [status.message for status in statuses if status.state == "damaged"]
    if damaged:
        raise MoolaError(" ".join(damaged))
    live = sum(status.is_live for status in statuses)
    return f"{len(statuses)} runs, {live} live"
