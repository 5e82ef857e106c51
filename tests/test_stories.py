"""Five things that a loss balance does to a training, each told by a short real one.

The toy's spans are loud and their type is written in a feature, so that every task can be learned:
what a task does not get here, its weight has taken from it. Both kinds of pointer head appear: the
mean head's loss is a few thousandths, the bar head's some nats, and ``raw`` starves opposite sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean

import pytest

from moola import figures
from moola.advice import Advice
from moola.judging import facts_of, judge_run
from moola.runs import RunFolder
from moola.schema import TASK_NAMES, TASKS, Task
from moola.silence import RULES
from moola.train import finetune
from tests.toy import toy_examples, toy_run

Train = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Train once for every set of options: the stories are told about the same few runs."""
    folder, examples = tmp_path_factory.mktemp("stories"), toy_examples(32)
    done: dict[str, RunFolder] = {}

    def trained(**options: object) -> RunFolder:
        options = {"epochs": 10, "batch_size": 8, "lr": 5e-3} | options
        key = repr(sorted(options.items()))
        if key not in done:
            done[key] = toy_run(folder, examples, **options)
            assert finetune(done[key]) == "finished"
        return done[key]

    return trained


def advice_of(run: RunFolder, task: Task) -> dict[str, Advice]:
    """Return what is said about a task, by code, as the page and ``moola judge`` say it."""
    _, advice, _ = judge_run(run, [])
    return {item.alert.code: item for item in advice if item.alert.task == task}


def judged_shares(run: RunFolder, column: str, task: Task) -> list[float]:
    """Return a task's shares in the epochs after warm-up that have them."""
    rows = [row for row in run.history() if row["epoch"] > RULES.warm_up_epochs]
    return [row[column][task] for row in rows if row.get(column)]


def in_band(share: float) -> bool:
    low, high = figures.POINTER_BAND
    return low <= share <= high


@pytest.mark.parametrize(("countdown", "dominant"), [("clip20", "type"), ("raw", "countdown")])
def test_raw_starves_the_mean_pointers_and_names_who_takes_their_place(
    train: Train, countdown: str, dominant: Task
) -> None:
    run = train(balance="raw", pointer_head="mean", countdown=countdown)
    told = advice_of(run, "ptr")
    silence = told["LOSS_SILENCED"]
    assert f"largest: {TASK_NAMES[dominant]}" in silence.alert.evidence
    assert silence.cause.startswith("Scale: the raw loss of Pointers is ")
    assert silence.cause.endswith(f" of {TASK_NAMES[dominant]}.")
    cures = [dict(action.options) for action in silence.actions]
    assert cures[-1] == {"balance": "epoch"}
    assert ({"countdown": "clip20"} in cures) == (countdown == "raw")
    assert "GRAD_SILENCED" in told, "what has no loss does not move the encoder either"


def test_raw_with_bar_pointers_starves_the_others_instead(train: Train) -> None:
    run = train(balance="raw", pointer_head="bar")
    assert not {"LOSS_SILENCED", "GRAD_SILENCED"} & advice_of(run, "ptr").keys()
    for task in ("binary", "countdown"):
        silence = advice_of(run, task)["LOSS_SILENCED"]
        assert "largest: Pointers" in silence.alert.evidence
        assert silence.cause.endswith(" of Pointers, weighted 7 times as much.")
    assert min(judged_shares(run, "loss_share", "ptr")) > figures.POINTER_BAND[1]


def test_initial_weights_begin_in_the_band_and_drift_out_of_it(train: Train) -> None:
    """Pointers fall below it: they are learned sooner than the type, which then weighs more."""
    run = train(balance="initial", pointer_head="bar")
    shares = [row["loss_share"]["ptr"] for row in run.history()]
    assert in_band(shares[0])
    assert shares[-1] < figures.POINTER_BAND[0]
    drift = advice_of(run, "ptr")["OUT_OF_BAND"]
    assert drift.alert.level == "warn"
    assert drift.cause == "The weights were fixed before training, and the losses fell unequally."
    assert drift.actions[0].options == {"balance": "epoch"}
    assert "OUT_OF_BAND" in advice_of(run, "type"), "it is type that grows out of its share"

    held = train(balance="epoch", pointer_head="bar")
    assert all(in_band(share) for share in judged_shares(held, "loss_share", "ptr")), "its cure"


def test_epoch_holds_the_loss_shares_while_type_is_unheard_by_the_encoder(train: Train) -> None:
    run = train(balance="epoch", pointer_head="mean")
    assert all(in_band(share) for share in judged_shares(run, "loss_share", "ptr"))
    told = advice_of(run, "type")
    assert "LOSS_SILENCED" not in told
    assert "OUT_OF_BAND" not in told
    assert told["GRAD_SILENCED"].cause.startswith("A weak path: its loss share is on target")
    cures = [dict(action.options) for action in told["GRAD_SILENCED"].actions]
    assert {"guard": True} in cures
    _, _, blind_spot = judge_run(run, [])
    assert blind_spot is not None
    assert "by construction" in blind_spot


def test_the_guard_makes_type_heard_and_the_pointers_pay_in_loss_share(train: Train) -> None:
    without = train(balance="epoch", pointer_head="mean")
    guarded = train(balance="epoch", pointer_head="mean", guard=True)
    heard = fmean(judged_shares(guarded, "grad_share", "type"))
    assert heard > 1.5 * fmean(judged_shares(without, "grad_share", "type"))
    assert "GRAD_SILENCED" not in advice_of(guarded, "type")

    # The price: part of the pointers' loss share, and the page says whose doing it is.
    paid = judged_shares(guarded, "loss_share", "ptr")
    kept = judged_shares(without, "loss_share", "ptr")
    assert all(p < k for p, k in zip(paid, kept, strict=True))
    price = advice_of(guarded, "ptr")["OUT_OF_BAND"]
    assert price.cause.startswith("The guard is at work: ")
    assert "Type ×" in price.cause
    assert price.cause.endswith("that is its price.")
    assert not price.actions


def test_all_of_the_loss_for_the_pointers_makes_them_no_better(train: Train) -> None:
    """Pitfall 15: a share is no goal. The other tasks cost the pointers nothing and teach them."""
    alone = train(balance="manual", weights=(1.0, 0.0, 0.0, 0.0), pointer_head="bar")
    held = train(balance="epoch", pointer_head="bar")
    assert judged_shares(alone, "loss_share", "ptr") == [1.0] * 7
    skill, with_others = (run.history()[-1]["skill"] for run in (alone, held))
    assert with_others["ptr"] > skill["ptr"] - 0.02
    assert all(skill[task] < 0.2 < 0.5 < with_others[task] for task in ("binary", "countdown"))
    badges, _, _ = judge_run(alone, [])
    assert badges == {task: "OK" if task == "ptr" else "DEAD_PATH" for task in TASKS}


def test_with_a_frozen_encoder_weights_change_hardly_anything(train: Train) -> None:
    source = train(balance="epoch", pointer_head="bar")
    frozen = {"pretrained_encoder": str(source.path / "best.pt"), "freeze_encoder": True}
    runs = {b: train(balance=b, epochs=6, **frozen) for b in ("raw", "epoch")}
    for run in runs.values():
        rows = run.history()
        assert not any(row.get("grad_share") or row.get("grad_raw") for row in rows)
        assert facts_of(run.config()).is_frozen
        badges, advice, blind_spot = judge_run(run, [])
        assert blind_spot is not None
        assert blind_spot.startswith("The encoder is frozen: weights hardly change")
        assert {item.alert.task for item in advice if item.alert.code == "HEAD_ONLY"}
        assert "GRAD_SILENCED" not in {item.alert.code for item in advice}
        assert "ENCODER_FROZEN" in badges.values()
        assert not {"HEAD_ONLY", "OK"} & set(badges.values())

    # Nothing is shared, so what raw takes from a task is not missed.
    free = train(balance="raw", pointer_head="bar"), source
    for task in ("binary", "countdown"):
        silence = advice_of(runs["raw"], task)["LOSS_SILENCED"]
        assert silence.cause.startswith("The encoder is frozen")
        assert not silence.actions, "no other balance is offered where none would help"
        assert difference(runs["raw"], runs["epoch"], task) < 0.05 < difference(*free, task)
    assert max(difference(runs["raw"], runs["epoch"], task) for task in TASKS) < 0.05


def difference(one: RunFolder, other: RunFolder, task: Task) -> float:
    """Return by what factor, as a logarithm, the validation losses of the last epochs differ."""
    a, b = (run.history()[-1]["val_raw"][task] for run in (one, other))
    return abs(math.log(a / b))
