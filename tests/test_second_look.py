"""Two decisions are the same, or the sentence says in what they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola import second_look
from moola.schema import Span


@dataclass(frozen=True)
class Decision:
    state: str
    spans: Sequence[Span] = ()


def kept(*spans: tuple[int, int] | tuple[int, int, str]) -> Decision:
    return Decision("edited", [Span(*span) for span in spans])  # type: ignore[arg-type]


REJECTED, FLAGGED = Decision("rejected"), Decision("flagged")


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        ((50, 65), (50, 65), 1.0),
        ((50, 59), (55, 64), 5 / 15),
        ((50, 59), (50, 54), 0.5),
        ((50, 59), (60, 69), 0.0),
        ((7, 7), (7, 7), 1.0),
    ],
)
def test_iou_counts_both_end_bars(a, b, iou: float) -> None:
    assert second_look.iou(Span(*a), Span(*b)) == pytest.approx(iou)
    assert second_look.iou(Span(*b), Span(*a)) == pytest.approx(iou)


def test_a_span_that_two_others_halve_is_paired_once() -> None:
    whole, halves = [Span(50, 59)], [Span(50, 54), Span(55, 59)]
    assert second_look.match_spans(whole, halves) == [(0, 0)]
    assert second_look.match_spans(halves, whole) == [(0, 0)]


def test_the_closest_spans_are_paired_first() -> None:
    a = [Span(10, 19), Span(30, 39)]
    b = [Span(12, 19), Span(29, 40), Span(60, 70)]
    assert second_look.match_spans(a, b) == [(0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("a", "b", "reasons"),
    [
        (REJECTED, REJECTED, []),
        (kept((50, 65)), kept((52, 66)), []),
        (kept((50, 65)), REJECTED, ["kept against rejected"]),
        (FLAGGED, FLAGGED, ["flagged for a second look"]),
        (kept((50, 65)), FLAGGED, ["flagged for a second look"]),
        (kept((50, 59)), kept((56, 65)), ["2 spans without a partner"]),
        (kept((50, 65)), kept((50, 65), (80, 90)), ["1 span without a partner"]),
        (
            kept((50, 65, "reversal")),
            kept((50, 65, "retracement")),
            ["reversal against retracement"],
        ),
    ],
)
def test_two_decisions_agree_or_the_difference_is_named(a, b, reasons: list[str]) -> None:
    assert second_look.differences(a, b) == reasons
    assert second_look.agree(a, b) == second_look.agree(b, a) == (not reasons)


def test_three_people_agree_only_if_every_two_do() -> None:
    chain = [kept((50, 59)), kept((53, 62)), kept((56, 65))]
    assert second_look.agree(chain[0], chain[1])
    assert second_look.agree(chain[1], chain[2])
    assert not second_look.all_agree(chain)
    assert second_look.all_agree(chain[:2])
    assert second_look.all_agree([REJECTED])


@pytest.mark.parametrize(
    ("layers", "standing"),
    [
        ({}, None),
        ({"anna": Decision("deferred")}, None),
        ({"anna": REJECTED}, "single"),
        ({"anna": REJECTED, "ben": Decision("stale")}, "single"),
        ({"anna": REJECTED, "anna~repeat": kept((1, 5))}, "single"),
        ({"anna": REJECTED, "ben~catch": kept((1, 5))}, "single"),
        ({"anna": REJECTED, "ben": REJECTED}, "agreed"),
        ({"anna": REJECTED, "ben": kept((1, 5))}, "disputed"),
        ({"anna": REJECTED, "ben": REJECTED, "cleo": FLAGGED}, "disputed"),
        ({"anna": REJECTED, "ben": kept((1, 5)), "~gold": REJECTED}, "adjudicated"),
        ({"anna": REJECTED, "ben": kept((1, 5)), "~gold": Decision("deferred")}, "disputed"),
    ],
)
def test_a_window_stands_by_what_its_people_say(layers, standing: str | None) -> None:
    assert second_look.standing_of(layers) == standing


@pytest.mark.parametrize(
    ("state", "name"),
    [("verified", "kept"), ("edited", "kept"), ("rejected", "rejected"), ("flagged", "flagged"),
     ("deferred", None), ("stale", None), ("proposed", None), ("unseen", None)],
)  # fmt: skip
def test_only_a_judgement_is_a_decision(state: str, name: str | None) -> None:
    assert second_look.decision_of(state) == name


@st.composite
def disjoint_spans(draw: st.DrawFn) -> list[Span]:
    edges = sorted(draw(st.sets(st.integers(0, 104), max_size=12)))
    return [Span(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]


@given(disjoint_spans(), disjoint_spans())
def test_pairing_is_symmetric_one_to_one_and_never_below_the_limit(a, b) -> None:
    pairs = second_look.match_spans(a, b)
    assert sorted((j, i) for i, j in pairs) == sorted(second_look.match_spans(b, a))
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(second_look.iou(a[i], b[j]) >= 0.5 for i, j in pairs)
    partners = sum(any(second_look.iou(one, other) >= 0.5 for other in b) for one in a)
    others = sum(any(second_look.iou(one, other) >= 0.5 for one in a) for other in b)
    assert len(pairs) == min(partners, others)


@given(disjoint_spans())
def test_a_layer_agrees_with_itself(spans) -> None:
    assert second_look.match_spans(spans, spans) == [(i, i) for i in range(len(spans))]
