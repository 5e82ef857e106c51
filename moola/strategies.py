"""Train a set of balances on the same data and seeds, as ordinary runs of one group.

``python -m moola strategies`` makes the runs one after another through the launcher, so that they
queue with all others and outlive the terminal. A group is a folder ``strategies/<name>/`` with
``plan.json``: which balance and seed became which run. Carrying a group out again does only what is
not finished yet.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from moola import launching
from moola.atomic import write_json
from moola.config import BALANCES, FinetuneConfig
from moola.exceptions import ConfigError, RunError
from moola.extras import available_balances, require
from moola.launching.local import child_environment
from moola.runs import EXAMPLES_FILE, RunFolder, create_run
from moola.workspace import Workspace

PLAN_FILE = "plan.json"
GUARD = "+guard"
ORDER = ("raw", "manual", "initial", "epoch", f"epoch{GUARD}", "ema", "kendall", "gradshare")
STRATEGIES = (*ORDER, *(name for name in available_balances() if name not in ORDER))
"""Every balance whose packages are installed, and the default one with the guard."""
SEEDS = (0, 1, 2)
POLL_S = 0.5
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a group: a strategy with a seed."""

    strategy: str
    seed: int

    def __str__(self) -> str:
        return f"{self.strategy}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A group: what it trains and which runs that became."""

    group: str
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    options: Mapping[str, Any]
    """Options that all runs share, as `FinetuneConfig.to_dict` gives them."""
    runs: Mapping[Cell, str]

    def cells(self) -> list[Cell]:
        """Return every run to make: all strategies of a seed before the next seed."""
        return [Cell(strategy, seed) for seed, strategy in product(self.seeds, self.strategies)]

    def config(self, cell: Cell) -> FinetuneConfig:
        """Return the options of one run."""
        own = {**options_of(cell.strategy), "seed": cell.seed}
        return FinetuneConfig.from_dict({**self.options, **own})

    def run_of(self, cell: Cell, workspace: Workspace) -> RunFolder | None:
        """Return the run that a cell became; None before it was made, or after it was deleted."""
        run_id = self.runs.get(cell)
        path = workspace.runs_dir / (run_id or "none")
        return RunFolder(path) if run_id and (path / "config.json").exists() else None


def options_of(strategy: str) -> dict[str, Any]:
    """Return what a strategy's name stands for.

    >>> options_of("epoch+guard")
    {'balance': 'epoch', 'guard': True}
    """
    balance = strategy.removesuffix(GUARD)
    if balance not in BALANCES:
        known = ", ".join(BALANCES)
        raise ConfigError(
            f"A strategy should be one of {known}, with {GUARD} if it is to be guarded. "
            f"Found {strategy!r}."
        )
    require("balance", balance)
    return {"balance": balance, "guard": strategy.endswith(GUARD)}


def groups_dir(workspace: Workspace) -> Path:
    """Return the folder of all groups."""
    return workspace.root / "strategies"


def list_groups(workspace: Workspace) -> list[str]:
    """Return the names of the groups, the newest first."""
    plans = groups_dir(workspace).glob(f"*/{PLAN_FILE}")
    return [path.parent.name for path in sorted(plans, key=lambda p: -p.stat().st_mtime)]


def make_plan(
    workspace: Workspace,
    config: FinetuneConfig,
    *,
    group: str | None = None,
    strategies: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> Plan:
    """Write down a new group, or add to the one of that name, which keeps its own options.

    Raises
    ------
    ConfigError
        If a strategy is unknown or refuses an option, one is named twice, or none is named.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", group or f"{datetime.now():%Y%m%d-%H%M%S}").strip(".-")
    for kind, values in (("strategies", strategies), ("seeds", seeds)):
        if values is not None and (not values or len(set(values)) < len(values)):
            raise ConfigError(f"{kind} should name each one once. Found {list(values)}.")
    if group and (groups_dir(workspace) / name / PLAN_FILE).exists():
        plan = read_plan(name, workspace)
        plan = replace(
            plan,
            strategies=tuple(dict.fromkeys([*plan.strategies, *(strategies or ())])),
            seeds=tuple(dict.fromkeys([*plan.seeds, *(seeds or ())])),
        )
    else:
        plan = Plan(
            group=name or "group",
            strategies=tuple(strategies or STRATEGIES),
            seeds=tuple(seeds or SEEDS),
            options=config.to_dict(),
            runs={},
        )
    for cell in plan.cells():
        plan.config(cell)  # an option that one of the strategies refuses is named before the start
    _write(plan, workspace)
    return plan


def read_plan(group: str, workspace: Workspace) -> Plan:
    """Return the group of that name; `RunError` lists what there is."""
    path = groups_dir(workspace) / group / PLAN_FILE
    if not path.exists():
        known = ", ".join(list_groups(workspace)[:5]) or "none yet"
        raise RunError(
            f"{group!r} should be a group of runs in {groups_dir(workspace)}. Found: {known}."
        )
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Plan(
            group=group,
            strategies=tuple(stored["strategies"]),
            seeds=tuple(stored["seeds"]),
            options=FinetuneConfig.from_stored(stored["options"]).to_dict(),
            runs={Cell(r["strategy"], r["seed"]): r["run"] for r in stored["runs"]},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} should hold the plan of a group. Found: {error!r}.") from error


def _write(plan: Plan, workspace: Workspace) -> None:
    folder = groups_dir(workspace) / plan.group
    folder.mkdir(parents=True, exist_ok=True)
    runs = [
        {"strategy": cell.strategy, "seed": cell.seed, "run": run}
        for cell, run in plan.runs.items()
    ]
    write_json(
        folder / PLAN_FILE,
        {
            "strategies": plan.strategies,
            "seeds": plan.seeds,
            "options": dict(plan.options),
            "runs": runs,
        },
    )


def carry_out(plan: Plan, workspace: Workspace, *, on_progress: Progress = print) -> Plan:
    """Make the runs of a group one after another; return the plan with all of them.

    A run that fails, or that somebody stops, does not keep the others waiting; the next call takes
    it up again. Ctrl-C stops the running one with a checkpoint.
    """
    with _carried(plan.group, workspace):
        cells = plan.cells()
        for number, cell in enumerate(cells, start=1):
            run = plan.run_of(cell, workspace)
            if run is not None and run.status().state == "finished":
                continue
            on_progress(f"{number} of {len(cells)}: {cell}")
            if run is None:
                run, plan = _start(plan, cell, workspace)
            elif not run.status().is_live:
                launching.resume_run(run, workspace)
            state = _wait(run)
            if state != "finished":
                on_progress(f"{cell} has {state}: {run.status().message or run.id}")
    return plan


@contextlib.contextmanager
def _carried(group: str, workspace: Workspace) -> Iterator[None]:
    lock = FileLock(groups_dir(workspace) / group / ".carried.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(f"The group {group} is already carried by another process.") from error
    try:
        yield
    finally:
        lock.release()


def is_carried(group: str, workspace: Workspace) -> bool:
    """Return whether a process is making the runs of that group just now."""
    lock = FileLock(groups_dir(workspace) / group / ".carried.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _start(plan: Plan, cell: Cell, workspace: Workspace) -> tuple[RunFolder, Plan]:
    """Make one run and launch its process; all strategies of a seed get the very same examples."""
    name = f"{plan.group}-{cell.strategy}-s{cell.seed}"
    run = create_run(workspace.runs_dir, plan.config(cell), name=name)
    run.set_about(note=f"Group {plan.group}: {cell}.")
    if (source := _examples_of(plan, cell.seed, workspace)) is not None:
        shutil.copy2(source, run.path / EXAMPLES_FILE)
    plan = replace(plan, runs={**plan.runs, cell: run.id})
    _write(plan, workspace)
    launching.launch(run, workspace)
    return run, plan


def _examples_of(plan: Plan, seed: int, workspace: Workspace) -> Path | None:
    """Return the examples of an earlier run of that seed: labels may have moved on since."""
    for strategy in plan.strategies:
        run = plan.run_of(Cell(strategy, seed), workspace)
        if run is not None and run.resolved() and (run.path / EXAMPLES_FILE).exists():
            return run.path / EXAMPLES_FILE
    return None


def _wait(run: RunFolder) -> str:
    try:
        while run.status().is_live:
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        launching.stop_run(run)
        raise
    return run.status().state


def launch(plan: Plan, workspace: Workspace) -> int:
    """Carry a group out in a process of its own, which outlives page and server; return its pid."""
    command = [sys.executable, "-m", "moola", "strategies", "--group", plan.group]
    command += ["--workspace", str(workspace.root.resolve())]
    with (groups_dir(workspace) / plan.group / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=child_environment(workspace),
        )
    return process.pid
