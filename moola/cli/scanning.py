"""The verb that scores every window of a series."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from moola import runs, scans
from moola.bars import BarStore
from moola.cli import options
from moola.confidence import stored_abstention
from moola.exceptions import ConfigError, RunError
from moola.launching import RayJobs, python_job
from moola.run_process import stop_on_signals
from moola.scan_merging import MIN_SUPPORT
from moola.scans import ScanFolder, ScanResult
from moola.workspace import Workspace

ASK_EVERY_S = 1.0


def _add_scan(verb: argparse.ArgumentParser) -> None:
    """Score every window of long series; spans that windows agree on become a table."""
    verb.add_argument("series", nargs="*", metavar="SERIES", help="series ids or symbols")
    verb.add_argument("--run", metavar="RUN", help="run id or folder")
    verb.add_argument("--plan", type=Path, help=argparse.SUPPRESS)  # what a Ray job is told
    verb.add_argument("--precision", choices=("fp32", "bf16"), default="fp32",
                      help="bf16: faster where the processor has it (default: fp32)")  # fmt: skip
    verb.add_argument("--batch-size", type=int, default=64, metavar="N",
                      help="windows at a time; 16 to 64 stay in cache (default: 64)")  # fmt: skip
    verb.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    verb.add_argument("--min-support", type=float, default=MIN_SUPPORT, metavar="X",
                      help="share of the windows around a span that have to say it, weighted by "
                      "confidence (default: %(default)s)")  # fmt: skip
    verb.add_argument("--per-bar", action="store_true",
                      help="also write the mean probability of every bar")  # fmt: skip
    options.add_abstain(verb)
    verb.add_argument("--propose", action="store_true", help="put the spans into the queue")
    verb.add_argument("--threshold", type=float, default=0.5, metavar="X",
                      help="with --propose: least support (default: %(default)s)")  # fmt: skip
    verb.add_argument("--top", type=int, metavar="N",
                      help="with --propose: at most the N best supported of a series")  # fmt: skip
    verb.set_defaults(handler=_scan)


def _scan(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    if args.plan:
        return _scan_plan(args, workspace)
    if not args.series or not args.run:
        raise ConfigError("scan should name at least one SERIES and the --run. Found too little.")
    run = runs.open_run(args.run, workspace.runs_dir)
    chosen = stored_abstention(run.path) if args.abstain else None
    from moola import scanning

    with options.opened(workspace) as (store, _):
        series = [store.find_series(name) for name in args.series]
    plans = [scanning.plan_scan(run, one, precision=args.precision) for one in series]
    folders = [ScanFolder.prepare(workspace, plan) for plan in plans]
    carry = _carry_on_ray if workspace.ray_address else _carry_here
    if carry(folders, args, workspace) == "stopped":
        n_done, n_parts = sum(f.n_done() for f in folders), sum(p.n_parts for p in plans)
        text = f"Stopped with {n_done} of {n_parts} parts done; the same command goes on."
        return {"state": "stopped", "n_done": n_done, "n_parts": n_parts}, text
    answers, lines = [], []
    for folder, one in zip(folders, series, strict=True):
        with options.opened(workspace) as (store, bar_store):
            result = scans.finish(
                folder,
                bar_store,
                min_support=args.min_support,
                per_bar=args.per_bar,
                abstain_below=chosen.threshold if chosen else 0.0,
            )
            answer, line = _said(result)
            if args.propose:
                done = scans.propose(
                    result, one, store, bar_store, threshold=args.threshold, top=args.top
                )
                answer |= {"n_proposed": done.n_new, "n_labelled": done.n_labelled}
                line += f"; {done.n_new} new proposals"
        answers.append(answer)
        lines.append(line)
    lines += [f"{chosen}"] if chosen else []
    return {"state": "finished", "scans": answers, "abstention": chosen}, "\n".join(lines)


def _said(result: ScanResult) -> tuple[dict[str, Any], str]:
    plan, n_spans = result.plan, len(result.spans.start)
    answer = {
        "series": plan.series_id,
        "n_windows": plan.n_windows,
        "n_spans": n_spans,
        "file": str(result.file),
        "bars_file": None if result.bars_file is None else str(result.bars_file),
    }
    return answer, f"{plan.symbol}: {plan.n_windows:,} windows, {n_spans:,} spans: {result.file}"


def _carry_here(folders: list[ScanFolder], args: argparse.Namespace, workspace: Workspace) -> str:
    from moola import scanning

    total = sum(plan.n_windows for folder in folders if (plan := folder.plan()))
    bar = tqdm(total=total, unit="window", unit_scale=True, disable=not sys.stderr.isatty())
    with bar, stop_on_signals() as stopped:
        for folder in folders:
            state = scanning.scan(
                folder,
                BarStore(workspace.bars_dir),
                device=args.device,
                batch_size=args.batch_size,
                stopped=stopped,
                on_windows=bar.update,
            )
            if state == "stopped":
                return state
    return "finished"


def _scan_plan(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    """Carry out one plan and no more: the store stays where the scan was asked for."""
    state = _carry_here([ScanFolder(args.plan)], args, workspace)
    return {"state": state}, state


def _carry_on_ray(folders: list[ScanFolder], args: argparse.Namespace, workspace: Workspace) -> str:
    """Hand in one job a series and wait for them; Ctrl-C takes them back."""
    jobs = RayJobs(workspace.ray_address or "")
    waiting: dict[str, ScanFolder] = {}
    for folder in folders:
        if _is_done(folder):
            continue
        job_id = f"moola-scan-{folder.path.name}-{time.time_ns():x}"
        words = ["scan", "--plan", str(folder.path.resolve()), "--device", args.device]
        words += ["--batch-size", str(args.batch_size)]
        words += ["--workspace", str(workspace.root.resolve())]
        command, env = python_job(words)
        jobs.submit(command, job_id=job_id, env=env)
        waiting[job_id] = folder
    total = sum(plan.n_parts for folder in folders if (plan := folder.plan()))
    bar = tqdm(total=total, unit="part", disable=not sys.stderr.isatty())
    with bar, stop_on_signals() as stopped:
        while waiting:
            for job_id in list(waiting):
                found = jobs.look(job_id)
                if not found.has_ended:
                    continue
                if found.state != "succeeded":
                    _take_back(jobs, waiting)
                    raise RunError(
                        f"The Ray job {shlex.quote(job_id)} {found.state}: {found.message}"
                    )
                del waiting[job_id]
            bar.update(sum(folder.n_done() for folder in folders) - bar.n)
            if stopped():
                _take_back(jobs, waiting)
                return "stopped"
            time.sleep(ASK_EVERY_S)
    return "finished"


def _is_done(folder: ScanFolder) -> bool:
    plan = folder.plan()
    return plan is not None and folder.n_done() >= plan.n_parts


def _take_back(jobs: RayJobs, waiting: dict[str, ScanFolder]) -> None:
    for job_id in waiting:
        jobs.stop(job_id)


VERBS = {"scan": _add_scan}
