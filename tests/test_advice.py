from __future__ import annotations

from dataclasses import replace

import pytest

from moola.advice import Badge, advise, badges, blind_spot
from moola.judgement import RunFacts
from tests.epoch_rows import POINTERS_STARVED, TYPE_WITHOUT_GRADIENT, epochs

PLAN = RunFacts(epochs=20)
FROZEN = replace(PLAN, is_frozen=True)
RISING = {"type": [0.1, 0.2, 0.3, 0.35, 0.38, 0.4]}


@pytest.mark.parametrize(
    ("history", "facts", "badge"),
    [
        (epochs(6), PLAN, "OK"),
        (epochs(6, gradient=TYPE_WITHOUT_GRADIENT, skill={"type": 0.02}), PLAN, "SILENCED"),
        (epochs(6, gradient=TYPE_WITHOUT_GRADIENT, skill=RISING), PLAN, "HEAD_ONLY"),
        (
            epochs(6, gradient=TYPE_WITHOUT_GRADIENT, skill=RISING),
            replace(PLAN, reference_skill={"type": 0.6}),
            "STARVED",
        ),
        (epochs(6, skill={"type": 0.02}), PLAN, "LOW_SKILL"),
        (epochs(6, gradient=None, skill=RISING), FROZEN, "ENCODER_FROZEN"),
        (epochs(6, gradient=None, skill={"type": RISING["type"][::-1]}), FROZEN, "ENCODER_FROZEN"),
        (epochs(6, gradient=None, skill={"type": 0.02}), FROZEN, "LOW_SKILL"),
        (
            epochs(6, gradient=None, loss=TYPE_WITHOUT_GRADIENT, skill={"type": 0.02}),
            FROZEN,
            "SILENCED",
        ),
    ],
)
def test_one_word_says_what_is_wrong_with_type(
    history: list[dict], facts: RunFacts, badge: Badge
) -> None:
    assert badges(history, facts)["type"] == badge


def test_a_dead_path_comes_before_everything() -> None:
    history = epochs(6, gradient=TYPE_WITHOUT_GRADIENT, skill={"type": 0.0})
    history[-1]["raw"]["type"] = float("nan")
    assert badges(history, PLAN)["type"] == "DEAD_PATH"


def test_a_countdown_in_bars_is_named_as_the_cause_and_clipped_first() -> None:
    history = epochs(6, loss=(0.003, 0.03, 0.93, 0.037))
    history[-1]["raw"] |= {"ptr": 0.006, "countdown": 29.6}
    found = next(
        advice
        for advice in advise(history, RunFacts(epochs=20, balance="raw", countdown="raw"))
        if advice.alert.task == "ptr"
    )
    assert "0.006 beside 29.6 of Countdown" in found.cause
    assert [dict(action.options) for action in found.actions] == [
        {"countdown": "clip20"},
        {"balance": "epoch"},
    ]


def test_a_low_gradient_at_a_full_loss_share_is_a_weak_path() -> None:
    history = epochs(6, gradient=TYPE_WITHOUT_GRADIENT)
    (found,) = [a for a in advise(history, PLAN) if a.alert.code == "GRAD_SILENCED"]
    assert "weak path" in found.cause
    assert [dict(action.options) for action in found.actions][1] == {"guard": True}


def test_pointers_out_of_their_band_are_the_price_of_a_guard_at_work() -> None:
    history = epochs(6, loss=(0.5, 0.1, 0.1, 0.3))
    history[-1]["boost"] = {"ptr": 1.0, "type": 5.2}
    texts = [str(advice) for advice in advise(history, PLAN)]
    assert any("The guard is at work: Type ×5.2" in text for text in texts)


def test_low_skill_at_full_shares_says_to_leave_the_weights() -> None:
    (found,) = advise(epochs(6, skill={"type": 0.0}), PLAN)
    assert "leave the weights" in found.cause


def test_the_sentence_holds_what_since_when_evidence_dominance_cause_and_actions() -> None:
    history = epochs(6, loss=POINTERS_STARVED)
    text = str(advise(history, RunFacts(epochs=20, balance="raw"))[0])
    assert text.startswith("LOSS_SILENCED Pointers since epoch 4: loss share 3.6% (target 70%)")
    assert "largest: Type 42%" in text
    assert text.endswith("1. Switch to the balance epoch.")


def test_what_cannot_warn_is_said() -> None:
    assert "by construction" in str(blind_spot(PLAN))
    assert "frozen" in str(blind_spot(replace(PLAN, is_frozen=True)))
    assert blind_spot(replace(PLAN, balance="raw")) is None
