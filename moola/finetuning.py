"""Carry one run from its options to its predictions: data, turn, state, signals, results.

`moola.train` knows epochs and nothing of processes; this module is the process around it.
"""

from __future__ import annotations

import contextlib
import logging
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola import __version__, collect, evaluate
from moola.bars import BarStore
from moola.carrying import carry
from moola.confidence import abstained
from moola.config import FinetuneConfig, LabelChoice
from moola.density import data_alert
from moola.device import resolve_device
from moola.examples import Examples
from moola.exceptions import RunError
from moola.extras import require_extras
from moola.history import HistoryDigest
from moola.model import JadeCompact
from moola.predict import predict as predict_windows
from moola.predict import predict_run, write_predictions
from moola.pretrained import check_not_seen
from moola.releases import release_id
from moola.restarting import hold_parent, parent_of
from moola.run_process import Heartbeat
from moola.runs import EXAMPLES_FILE, RunFolder, create_run
from moola.schema import SPAN_TYPES
from moola.silence import silenced_tasks
from moola.splits import check_no_leak
from moola.store import LabelStore
from moola.trackers import Trackers
from moola.train import finetune
from moola.workspace import Workspace

log = logging.getLogger("moola")

CACHED = "encoder output cached, without input dropout: another estimator than the uncached run"
RECORDED_PACKAGES = ("torch", "numpy", "pandas", "numba", "streamlit")


def prepare(
    config: FinetuneConfig, workspace: Workspace, *, runs_dir: Path, name: str | None
) -> RunFolder:
    """Check everything that could be wrong, then make the run's folder with its examples.

    Bad input raises before there is a folder: a refused file leaves nothing behind.
    """
    resolve_device(config.device)
    require_extras(config)
    if config.pretrained_encoder:
        JadeCompact(standardize=config.standardize).load_encoder(config.pretrained_encoder)
    examples, facts = _first_examples(config, workspace, runs_dir)
    facts |= check_not_seen(config.pretrained_encoder, examples)
    run = create_run(runs_dir, config, name=name)
    run.save_config(config, facts)
    examples.save(run.path / EXAMPLES_FILE)
    hold_parent(run)
    return run


def carry_out(
    run: RunFolder,
    workspace: Workspace,
    *,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
) -> str:
    """Wait for the turn, train or continue `run`, and write predictions and success table.

    Returns the final state, ``finished`` or ``stopped``. SIGTERM and Ctrl-C end the running step,
    write a checkpoint and stop (`moola.carrying`).
    """
    return carry(
        run,
        lambda stopped: _run_steps(run, workspace, stopped=stopped, on_progress=on_progress),
    )


def _run_steps(
    run: RunFolder,
    workspace: Workspace,
    *,
    stopped: Callable[[], bool],
    on_progress: Callable[[dict[str, Any]], None] | None,
) -> str:
    config = run.config()
    require_extras(config)
    device = resolve_device(config.device)
    examples = _examples(run, config, workspace)
    facts = {"device": str(device), **({"estimator": CACHED} if config.cache_encoder else {})}
    facts |= _release_facts(run, config) | describe(examples)
    facts |= check_not_seen(config.pretrained_encoder, examples)
    run.save_config(config, run.resolved() | facts)
    log.info("%s", summary_line(examples, config))

    told: set[str] = set()
    trackers = Trackers(run, workspace.root)
    history = HistoryDigest(run.path / "history.jsonl")

    def report(row: dict[str, Any]) -> None:
        run.write_status(epoch=row["epoch"], step=row["step"])
        log.info("%s", epoch_line(row, config.epochs))
        trackers.log(row)
        if empty := data_alert([row]):
            log.warning("%s", empty)
        history.refresh()
        for silence in silenced_tasks(history.rows):
            if silence.key not in told:
                told.add(silence.key)
                log.warning("%s", silence)
                if config.on_silence == "stop":
                    run.write_status(message=f"Stopped as --on-silence asks: {silence}")
        if on_progress:
            on_progress(row)

    state = "failed"
    try:
        state = finetune(run, on_progress=report, on_step=Heartbeat(run), stop=stopped)
    finally:
        trackers.close(state)
    if run.history():
        predict_run(run)
        evaluate.evaluate_run(run)
    return state


def _release_facts(run: RunFolder, config: FinetuneConfig) -> dict[str, Any]:
    """Return the hash of the release at the first start; a resumed run has its own examples."""
    if config.release is None or "release_id" in run.resolved():
        return {}
    return {"release_id": release_id(Path(config.release))}


def _examples(run: RunFolder, config: FinetuneConfig, workspace: Workspace) -> Examples:
    """Return the run's own examples; collect and keep them on the first start."""
    if (run.path / EXAMPLES_FILE).exists():
        examples = run.examples()
    else:
        examples, facts = _first_examples(config, workspace, run.path.parent)
        run.save_config(config, run.resolved() | facts)
        examples.save(run.path / EXAMPLES_FILE)
    check_no_leak(examples.series_id, examples.bar_start, examples.ohlc, examples.is_val)
    return examples


def _first_examples(
    config: FinetuneConfig, workspace: Workspace, runs_dir: Path
) -> tuple[Examples, dict[str, Any]]:
    """Return what a new run trains on, and what is to be said of its split.

    A restarted run takes what its parent had.
    """
    if parent := parent_of(config, runs_dir):
        return parent[0].examples(), {}
    # closed before hours of training, which a restore of the store need not wait for
    with contextlib.closing(LabelStore.open(workspace.store_url)) as store:
        return collect.collect_split(config, store=store, bar_store=BarStore(workspace.bars_dir))


def predict(
    run: RunFolder,
    workspace: Workspace,
    *,
    data: Path | None = None,
    labels: LabelChoice | None = None,
    checkpoint: str = "last",
    out: Path | None = None,
    abstain_below: float | None = None,
) -> tuple[pd.DataFrame, Path]:
    """Predict with a checkpoint of `run` and write the table; return it and its path.

    Parameters
    ----------
    data, labels
        A label file, or the windows of the store to take. Without both: the run's own windows.
    out
        Parquet to write, by default the run's ``predictions.parquet``.
    abstain_below
        Confidence below which a span is left out.
    """
    if data is None and labels is None:
        examples = run.examples()
    else:
        bar_store = BarStore(workspace.bars_dir)
        with contextlib.closing(LabelStore.open(workspace.store_url)) as store:
            examples = collect.windows(data, labels or "all", store=store, bar_store=bar_store)
    path = run.path / f"{checkpoint}.pt"
    if not path.exists():
        raise RunError(f"Run {run.id} should have trained to predict. Found no {path.name}.")
    table = predict_windows(path, examples, device=run.config().device)
    if abstain_below is not None:
        table = abstained(table, abstain_below)
    table["split"] = _split_names(table["window_uid"].to_numpy(str), run.examples())
    return table, write_predictions(table, out or run.path / "predictions.parquet")


def _split_names(window_uid: NDArray[np.str_], known: Examples) -> NDArray[np.str_]:
    """Return ``train``, ``val``, or ``new`` for windows that the run has never seen."""
    seen = np.where(np.isin(window_uid, known.window_uid[known.is_val]), "val", "train")
    return np.where(np.isin(window_uid, known.window_uid), seen, "new")


def describe(examples: Examples) -> dict[str, Any]:
    """Return what ``config.json`` says about the data, the split and the software."""
    spans = examples.take(examples.has_span)
    windows = examples.take(examples.first_of_each_window())
    return {
        "data_hash": examples.content_hash(),
        "n_windows": len(windows),
        "n_spans": len(spans),
        "n_groups": len(np.unique(examples.group)),
        "n_train": int((~windows.is_val).sum()),
        "n_val": int(windows.is_val.sum()),
        "n_cold": int(windows.cold.sum()),
        "type_counts": {
            name: int((spans.type_id == index).sum()) for index, name in enumerate(SPAN_TYPES)
        },
        "val_windows": sorted(set(windows.window_uid[windows.is_val].tolist())),
        "versions": {
            "python": platform.python_version(),
            "moola": __version__,
            **{name: metadata.version(name) for name in RECORDED_PACKAGES},
        },
    }


def summary_line(examples: Examples, config: FinetuneConfig) -> str:
    """Return the first line of a log: what is trained on what."""
    facts = describe(examples)
    cold = f", {facts['n_cold']} with cold features" if facts["n_cold"] else ""
    frozen = ", encoder frozen: the weights hardly matter" if config.freeze_encoder else ""
    estimator = f"; {CACHED}" if config.cache_encoder else ""
    return (
        f"{facts['n_windows']} windows, {facts['n_spans']} spans, {facts['n_groups']} groups "
        f"({facts['n_train']} training, {facts['n_val']} validation{cold}); "
        f"balance {config.balance}{frozen}{estimator}"
    )


def epoch_line(row: dict[str, Any], epochs: int) -> str:
    """Return one log line per epoch: loss shares, then the scores on the validation windows."""
    shares = "  ".join(f"{task} {share:.0%}" for task, share in row["loss_share"].items())
    hit = row["metrics"].get("hit_at_3")
    score = "" if hit is None else f"   hit@3 {hit:.0%}"
    return f"epoch {row['epoch']:>3}/{epochs}   loss shares  {shares}{score}"
