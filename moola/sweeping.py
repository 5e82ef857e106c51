"""Search for good training options with Optuna, on folds that leak nothing.

The study is ``study.db`` in the run's folder (SQLite), the labelled windows ``dataset.npz``: a
sweep that was stopped or killed goes on with what it knows, and a trial that was cut short is tried
again. Each trial trains one model a fold and is judged by windows no model of its own has seen.
The trials are made by workers (`moola.sweep_workers`), processes here or jobs of a Ray cluster.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from moola import collect
from moola.bars import BarStore
from moola.carrying import Stopped, carry
from moola.device import deterministic
from moola.examples import Examples
from moola.exceptions import RunError
from moola.folding import repeated_folds
from moola.pretrained import check_not_seen
from moola.runs import EXAMPLES_FILE, RunFolder, create_run
from moola.splits import check_no_leak
from moola.store import LabelStore
from moola.sweep_config import SweepConfig
from moola.sweep_workers import Workers
from moola.tables import write_parquet
from moola.trainer import Trainer
from moola.workspace import Workspace

KIND = "sweep"
STUDY_FILE = "study.db"
TRIALS_FILE = "trials.parquet"
LOOK_EVERY_S = 0.5
N_BEFORE_PRUNING = 5
SEED = 0
"""Every trial of every sweep is judged on the same folds."""


class StoppedHere(Exception):
    """A trial was cut short by a stop; it is tried again."""


def prepare(config: SweepConfig, workspace: Workspace, *, name: str | None) -> RunFolder:
    """Collect the windows, check the folds, and make the run's folder with its study."""
    _optuna()
    base = config.trial_config({})
    with contextlib.closing(LabelStore.open(workspace.store_url)) as store:
        bars = BarStore(workspace.bars_dir)
        examples, _ = collect.collect_folds(base, config.folds, [SEED], store=store, bar_store=bars)
    folds(examples, config.folds)
    check_not_seen(base.pretrained_encoder, examples)  # a sweep holds every window out in turn
    run = create_run(workspace.runs_dir, config, name=name, kind=KIND)
    examples.save(run.path / EXAMPLES_FILE)
    return run


def sweep_config(run: RunFolder) -> SweepConfig:
    """Return the options of a sweep."""
    if run.kind != KIND:
        raise RunError(f"Run {run.id} should be a sweep. Found one of kind {run.kind}.")
    content = json.loads((run.path / "config.json").read_text(encoding="utf-8"))
    return SweepConfig.from_dict(content["config"])


def folds(examples: Examples, n_folds: int) -> list[Examples]:
    """Return for each fold what it trains on and, marked as validation, what it is judged by."""
    (splits,) = repeated_folds(collect.places_of(examples), n_folds, seeds=[SEED])
    found = []
    for split in splits:
        part = replace(examples, is_val=split.is_val).take(split.is_val | split.trains)
        check_no_leak(part.series_id, part.bar_start, part.ohlc, part.is_val)
        found.append(part)
    return found


def carry_out(
    run: RunFolder, workspace: Workspace, *, on_trial: Callable[[int], object] = lambda _: None
) -> str:
    """Wait for the turn, have the workers make the trials that are missing, write the table."""
    return carry(run, lambda stopped: _supervise(run, workspace, stopped, on_trial))


def _supervise(
    run: RunFolder, workspace: Workspace, stopped: Stopped, on_trial: Callable[[int], object]
) -> str:
    config = sweep_config(run)
    study = open_study(run, config)
    _try_again(study)
    workers = Workers(run, workspace, config.workers)
    try:
        while (n_done := _n_done(study)) < config.trials and workers.are_alive():
            run.write_status(epoch=n_done)
            on_trial(n_done)
            if stopped():
                break
            time.sleep(LOOK_EVERY_S)
    finally:
        workers.stop()
    n_done = _n_done(study)
    run.write_status(epoch=n_done)
    on_trial(n_done)
    write_parquet(pa.Table.from_pandas(trials_table(run)), run.path / TRIALS_FILE)
    if n_done < config.trials and not stopped():
        raise RunError(f"The workers of {run.id} ended early. {workers.last_words()}")
    return "finished" if n_done >= config.trials else "stopped"


def work(run: RunFolder, stopped: Stopped) -> None:
    """Make trials until the study has enough of them; what a worker does."""
    optuna = _optuna()
    config = sweep_config(run)
    study = open_study(run, config)
    parts = folds(run.examples(), config.folds)

    def enough(study: Any, _trial: Any) -> None:
        if stopped() or _n_done(study) >= config.trials:
            study.stop()

    if _n_done(study) < config.trials:
        repeatable = bool(config.base.get("deterministic"))
        with contextlib.suppress(StoppedHere), deterministic(repeatable):
            study.optimize(
                lambda trial: _objective(trial, config, parts, stopped, optuna),
                callbacks=[enough],
            )


def _objective(
    trial: Any, config: SweepConfig, parts: list[Examples], stopped: Stopped, optuna: Any
) -> float:
    """Train and judge one model a fold; return the mean over all held-out windows."""
    chosen = config.trial_config(_draw(trial, config))
    scores, sizes, began = [], [], time.monotonic()
    for number, part in enumerate(parts):
        trainer = Trainer(chosen, part)
        trainer.begin()
        row: dict[str, Any] = {}
        for _ in range(chosen.epochs):
            if not trainer.run_epoch(stop=stopped, on_step=lambda _step, _n: None):
                raise StoppedHere
            row, _ = trainer.end_epoch()
        scores.append(_score(row, config))
        sizes.append(len(trainer.val_examples))
        trial.report(float(np.average(scores, weights=sizes)), number)
        trial.set_user_attr("scores", scores)
        trial.set_user_attr("seconds", round(time.monotonic() - began, 1))
        if config.prune and number + 1 < len(parts) and trial.should_prune():
            raise optuna.TrialPruned
    return float(np.average(scores, weights=sizes))


def _score(row: dict[str, Any], config: SweepConfig) -> float:
    if config.objective == "hit":
        return float(row["metrics"]["hit_at_3"])
    return float(np.mean(list(row["skill"].values())))


def _draw(trial: Any, config: SweepConfig) -> dict[str, Any]:
    """Return the options of a trial that Optuna proposes."""
    lr, epochs = config.lr_range, config.epoch_range
    draws: dict[str, Callable[[], Any]] = {
        "lr": lambda: trial.suggest_float("lr", *lr, log=True),
        "epochs": lambda: trial.suggest_int("epochs", *epochs),
        "pointer_head": lambda: trial.suggest_categorical("pointer_head", ["bar", "mean"]),
        "balance": lambda: trial.suggest_categorical("balance", list(config.balances)),
        "augment": lambda: trial.suggest_categorical(
            "augment", ["none", "shift", "mirror", "shift+mirror"]
        ),
    }
    return {name: draws[name]() for name in config.search}


def open_study(run: RunFolder, config: SweepConfig) -> Any:
    """Return the sweep's study; workers side by side do not draw what another is trying."""
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{run.path / STUDY_FILE}", engine_kwargs={"connect_args": {"timeout": 60}}
    )
    known = storage.get_all_studies()
    n_trials = len(storage.get_all_trials(known[0]._study_id)) if known else 0
    return optuna.create_study(
        study_name="sweep",
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        # the same seed twice would draw the same options again after a resume
        sampler=optuna.samplers.TPESampler(
            seed=config.trial_config({}).seed + n_trials, constant_liar=True
        ),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=N_BEFORE_PRUNING),
    )


def _try_again(study: Any) -> None:
    """Put trials that a dead worker left half done back in the queue, options and all."""
    optuna = _optuna()
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)


def _n_done(study: Any) -> int:
    """Return how many trials came to a result, a pruned one included."""
    states = _optuna().trial.TrialState
    return len(study.get_trials(deepcopy=False, states=[states.COMPLETE, states.PRUNED]))


def trials_table(run: RunFolder) -> pd.DataFrame:
    """Return one row a trial, best first: number, state, value, its options, seconds."""
    study = open_study(run, sweep_config(run))
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "value": trial.value,
            **trial.params,
            "scores": trial.user_attrs.get("scores", []),
            "seconds": trial.user_attrs.get("seconds"),
        }
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished()
    ]
    table = pd.DataFrame(rows, columns=None if rows else ["trial", "state", "value"])
    order = table.assign(complete=table["state"] == "complete").sort_values(
        ["complete", "value"], ascending=False
    )
    return order.drop(columns="complete").reset_index(drop=True)


def best_options(run: RunFolder) -> dict[str, Any]:
    """Return the options of the best complete trial, ready for a `FinetuneConfig`."""
    config, study = sweep_config(run), open_study(run, sweep_config(run))
    done = _optuna().trial.TrialState.COMPLETE
    if not study.get_trials(deepcopy=False, states=[done]):
        raise RunError(f"Sweep {run.id} should have a trial that is done. Found none.")
    return config.base | study.best_trial.params


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise RunError(
            "A sweep needs the extra: pip install 'moola[sweep]'. Found no optuna."
        ) from error
    return optuna
