"""Agreement of two layers, worked by hand, and what must hold for any two layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moola import agreement
from moola.agreement.scores import cohen_kappa
from moola.schema import SPAN_TYPES, Span


@dataclass(frozen=True)
class Decision:
    window_uid: str
    state: str
    spans: Sequence[Span] = ()
    reason: str | None = None
    mode: str = "normal"
    seconds: float | None = None


@dataclass
class Layer:
    """Decisions in the order they are written down; each is about the next window."""

    decisions: list[Decision] = field(default_factory=list)

    def _add(self, state: str, **more) -> Layer:
        self.decisions.append(Decision(f"w{len(self.decisions):03}", state, **more))
        return self

    def kept(self, *spans: tuple[int, int] | tuple[int, int, str]) -> Layer:
        return self._add("edited", spans=[Span(*span) for span in spans])  # type: ignore[arg-type]

    def rejected(self, reason: str = "no_expansion") -> Layer:
        return self._add("rejected", reason=reason)

    def flagged(self) -> Layer:
        return self._add("flagged")

    def deferred(self) -> Layer:
        return self._add("deferred")


def compared(a: Layer, b: Layer, groups: Sequence[int] | None = None) -> agreement.Pair:
    n = max(len(a.decisions), len(b.decisions))
    numbers = groups if groups is not None else range(n)
    return agreement.compare(
        a.decisions, b.decisions, {f"w{i:03}": group for i, group in enumerate(numbers)}
    )


def value(pair: agreement.Pair, name: str) -> float:
    return agreement.score(pair)[name].value


ANNA = (
    Layer()
    .kept((50, 59), (80, 84))
    .kept((10, 19, "reversal"))
    .rejected()
    .kept((30, 39))
    .rejected("chop")
    .flagged()
    .deferred()
)
BEN = (
    Layer()
    .kept((52, 60))  # +2, +1; the other span of Anna's is missing
    .kept((10, 18, "retracement"))  # 0, -1, another type
    .kept((40, 50))  # where Anna saw nothing
    .kept((36, 45))  # 4 of 16 bars: not the same
    .rejected("too_small")
    .kept((1, 5))
    .rejected()
)


def test_the_worked_example_gives_the_scores_of_a_hand_calculation() -> None:
    pair = compared(ANNA, BEN)
    assert len(pair) == 6  # the deferred window carries no judgement
    found = agreement.score(pair)
    # Five windows without a flag: Anna drew 4 spans, Ben 4, and 2 are the same.
    assert (found["recall"].value, found["precision"].value) == (2 / 4, 2 / 4)
    assert found["f1"].value == 2 * 2 / (4 + 4)
    assert (found["start_mae"].value, found["start_median"].value) == ((2 + 0) / 2, 1.0)
    assert (found["end_mae"].value, found["end_median"].value) == (1.0, 1.0)
    assert found["same_type"].value == 1 / 2
    assert pair.start_diff.tolist() == [2, 0]
    assert pair.end_diff.tolist() == [1, -1]


def test_the_decisions_of_the_worked_example_give_kappa_by_hand() -> None:
    pair = compared(ANNA, BEN)
    assert agreement.decision_table(pair).tolist() == [[3, 0, 0], [1, 1, 0], [1, 0, 0]]
    observed, chance = 4 / 6, (3 / 6 * 5 / 6) + (2 / 6 * 1 / 6)
    assert value(pair, "decision_share") == pytest.approx(observed)
    assert value(pair, "kappa") == pytest.approx((observed - chance) / (1 - chance))


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        ([[20, 5], [10, 15]], 0.4),  # the example that textbooks carry
        ([[45, 15], [25, 15]], 0.13043478),  # two tables of one observed agreement, 60 of 100,
        ([[25, 35], [5, 35]], 0.25925926),  # and twice the kappa
        ([[7, 0, 0], [0, 5, 0], [0, 0, 3]], 1.0),
        ([[0, 6], [6, 0]], -1.0),
        ([[9, 0], [0, 0]], math.nan),  # both always say one thing: chance agrees as well
        ([[0, 0], [0, 0]], math.nan),
    ],
)
def test_kappa_of_known_tables(table: list[list[int]], kappa: float) -> None:
    found = cohen_kappa(np.array([np.ravel(table)], float))
    assert found[0] == pytest.approx(kappa, nan_ok=True, abs=1e-8)


@pytest.mark.parametrize(
    ("errors", "median"), [([3], 3), ([0, 4], 2), ([1, 1, 9], 1), ([0, 1, 2, 40], 1.5)]
)
def test_the_median_edge_error_is_that_of_the_errors(errors: list[int], median: float) -> None:
    a, b = Layer(), Layer()
    for error in errors:
        a.kept((0, 103))
        b.kept((0, 103 - error))
    pair = compared(a, b)
    assert value(pair, "end_median") == median
    assert value(pair, "end_mae") == pytest.approx(np.mean(errors))


def test_a_window_that_only_one_has_decided_counts_nowhere() -> None:
    pair = compared(Layer().kept((1, 5)).kept((9, 12)), Layer().kept((1, 5)))
    assert pair.window_uid.tolist() == ["w000"]
    assert value(pair, "f1") == 1.0


def test_a_flag_counts_in_kappa_and_says_nothing_about_spans() -> None:
    pair = compared(Layer().kept((1, 5)).flagged(), Layer().kept((1, 5)).kept((30, 40)))
    assert value(pair, "f1") == 1.0
    assert value(pair, "decision_share") == 0.5


def test_spans_of_a_window_that_was_not_kept_do_not_count() -> None:
    odd = [Decision("w000", "rejected", [Span(3, 9)], "chop")]
    pair = agreement.compare(odd, odd, {"w000": 0})
    assert pair.n_spans.tolist() == [[0, 0]]


def test_no_common_window_gives_no_value_and_says_so() -> None:
    found = agreement.score(compared(Layer().kept((1, 5)), Layer()))
    for name, estimate in found.items():
        assert math.isnan(estimate.value), name
        assert estimate.note == "No window has been decided by both."


def many(n: int = 24) -> tuple[Layer, Layer]:
    """Two layers that keep and reject; every third window differs."""
    a, b = Layer(), Layer()
    for i in range(n):
        if i % 2:
            a.rejected()
            b.rejected() if i % 3 else b.kept((20, 30))
        else:
            a.kept((40, 60))
            b.kept((40 + i % 5, 60))
    return a, b


def test_an_interval_holds_the_value_and_comes_out_the_same_every_time() -> None:
    found = agreement.score(compared(*many()))
    again = agreement.score(compared(*many()))
    for name in ("f1", "precision", "kappa", "start_mae", "decision_share"):
        assert found[name].low <= found[name].value <= found[name].high
        assert found[name].low < found[name].high
        assert found[name] == again[name]
        assert found[name].note == ""


def test_windows_that_share_bars_are_drawn_together_and_widen_the_interval() -> None:
    apart = agreement.score(compared(*many(80)))["f1"]
    together = agreement.score(compared(*many(80), groups=[i % 12 for i in range(80)]))["f1"]
    assert (apart.n_groups, together.n_groups) == (80, 12)
    assert together.value == apart.value
    assert together.high - together.low > apart.high - apart.low


def test_too_few_groups_have_a_value_but_no_interval_and_say_how_many() -> None:
    found = agreement.score(compared(*many(24), groups=[i // 3 for i in range(24)]))["f1"]
    assert math.isfinite(found.value)
    assert not found.has_interval
    assert found.note == (
        "Too few windows for an interval: 24, which make 8 groups of neighbours. "
        "10 groups are wanted."
    )


def test_full_agreement_does_not_pretend_to_be_certain() -> None:
    a, _ = many()
    found = agreement.score(compared(a, a))["f1"]
    assert found.value == 1.0
    assert not found.has_interval
    assert found.note.startswith("No spread")


def test_buckets_hold_the_scores_of_their_windows() -> None:
    pair = compared(ANNA, BEN)
    buckets = ["open", "open", "close", "close", "close", "close"]
    opened, close = agreement.by_bucket(pair, buckets)
    assert [(close.name, close.n_windows), (opened.name, opened.n_windows)] == [
        ("close", 4),
        ("open", 2),
    ]
    assert opened.f1.value == 2 * 2 / (3 + 2)
    assert close.f1.value == 0.0


def test_reasons_are_counted_on_both_sides() -> None:
    a = Layer().rejected("chop").rejected("chop").rejected().kept((1, 5))
    b = Layer().rejected("chop").kept((1, 5)).rejected("chop").rejected()
    rows = {row.reason: row for row in agreement.reason_rows(compared(a, b))}
    assert rows["chop"] == ("chop", 2, 2, 1, 1)
    assert rows["chop"].share == 2 * 1 / 4
    assert rows["no_expansion"] == ("no_expansion", 1, 1, 0, 1)
    assert list(rows) == ["chop", "no_expansion"]


def test_a_catch_trial_that_was_accepted_as_drawn_counts_against_its_annotator() -> None:
    trials = [
        Decision("w000", "verified", mode="catch"),
        Decision("w001", "edited", mode="catch"),
        Decision("w002", "rejected", mode="catch"),
        Decision("w003", "deferred", mode="catch"),
        Decision("w004", "verified"),
    ]
    assert agreement.catch_share(trials)[:2] == (1, 3)


def test_times_are_those_of_the_timed_decisions() -> None:
    seconds = [0.4, 2.0, 3.0, 4.0, None]
    found = agreement.times_of(Decision("w", "edited", seconds=s) for s in seconds)
    assert (found.n, found.median_s, found.fast[:2]) == (4, 2.5, (1, 4))
    assert agreement.times_of([]).n == 0


@st.composite
def layers(draw: st.DrawFn, n: int = 8) -> Layer:
    layer = Layer()
    for _ in range(n):
        kind = draw(st.sampled_from(["kept", "rejected", "flagged"]))
        if kind == "kept":
            edges = sorted(draw(st.sets(st.integers(0, 104), min_size=2, max_size=6)))
            types = st.sampled_from(SPAN_TYPES)
            pairs = zip(edges[::2], edges[1::2], strict=False)
            layer.kept(*[(a, b, draw(types)) for a, b in pairs])
        elif kind == "rejected":
            layer.rejected(draw(st.sampled_from(["no_expansion", "chop"])))
        else:
            layer.flagged()
    return layer


SYMMETRIC = ("f1", "start_mae", "start_median", "end_mae", "end_median", "same_type",
             "decision_share", "kappa", "type_kappa", "reason_kappa")  # fmt: skip


@settings(max_examples=40)
@given(layers(), layers())
def test_it_does_not_matter_who_is_named_first(a: Layer, b: Layer) -> None:
    forth, back = agreement.score(compared(a, b)), agreement.score(compared(b, a))
    for name in SYMMETRIC:
        assert forth[name].value == pytest.approx(back[name].value, nan_ok=True), name
    for name, mirrored in (("precision", "recall"), ("recall", "precision")):
        assert forth[name].value == pytest.approx(back[mirrored].value, nan_ok=True)


@settings(max_examples=40)
@given(layers())
def test_a_layer_agrees_with_itself_in_every_respect(layer: Layer) -> None:
    found = agreement.score(compared(layer, layer))
    for name in ("precision", "recall", "f1", "same_type", "decision_share", "kappa"):
        assert found[name].value == 1.0 or math.isnan(found[name].value), name
    for name in ("start_mae", "end_mae", "start_median", "end_median"):
        assert found[name].value == 0.0 or math.isnan(found[name].value), name


@settings(max_examples=40)
@given(layers(), layers(), st.lists(st.booleans(), min_size=8, max_size=8))
def test_a_part_of_a_pair_is_the_pair_of_the_part(a: Layer, b: Layer, chosen) -> None:
    part = compared(a, b).take(np.array(chosen))
    kept = {f"w{i:03}" for i, take in enumerate(chosen) if take}
    groups = {f"w{i:03}": i for i in range(8)}
    alone = agreement.compare(
        [d for d in a.decisions if d.window_uid in kept],
        [d for d in b.decisions if d.window_uid in kept],
        groups,
    )
    for name in ("window_uid", "decision", "n_spans", "match_window", "start_diff", "type_id"):
        assert getattr(part, name).tolist() == getattr(alone, name).tolist()
