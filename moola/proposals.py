"""Propose expansions on unlabelled bars by a written rule with parameters.

``propose_spans(ohlc)`` returns disjoint spans for a person to judge; ``RULE_TEXT`` is the rule in
words. Every threshold is a multiple of the average true range (ATR), so prices may have any scale.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.exceptions import ConfigError, SchemaError
from moola.schema import WINDOW_LENGTH, Direction, SpanType

SLACK = 1e-9  # thresholds count as met within it, so that a change of scale cannot tip a tie


def _param(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class RuleParams:
    """Parameters of the rule; the defaults propose about 2 spans an hour of NQ minutes."""

    min_bars: int = _param(2, "shortest expansion in bars")
    max_bars: int = _param(23, "longest expansion in bars")
    atr_bars: int = _param(20, "bars that the average true range looks back")
    move_atr: float = _param(3.0, "least net move of an expansion in ATR")
    pace: float = _param(1.3, "least net move in ATR over the square root of the bars it took")
    efficiency: float = _param(0.6, "least net move over the path of the closes")
    pre_bars: int = _param(20, "bars before the start in which the pre-phase is looked for")
    quiet_bars: int = _param(12, "bars that a consolidation must last")
    quiet_atr: float = _param(3.0, "greatest height of a consolidation in ATR")
    counter_atr: float = _param(2.0, "least counter-move before a retracement or reversal in ATR")
    taken_back: float = _param(
        0.85, "share of the move before it that a counter-move may take back in a retracement"
    )
    gap_bars: float = _param(3.0, "a longer pause, in usual bar durations, is a time gap")

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ConfigError(f"{name} should be greater than 0. Found {value}.")
        if not 2 <= self.min_bars <= self.max_bars <= WINDOW_LENGTH:
            raise ConfigError(
                f"min_bars and max_bars should be in 2..{WINDOW_LENGTH}, in this order. "
                f"Found {self.min_bars} and {self.max_bars}."
            )
        if not 2 <= self.quiet_bars <= self.pre_bars:
            raise ConfigError(
                f"quiet_bars should be in 2..{self.pre_bars} (pre_bars). Found {self.quiet_bars}."
            )


def rule_text(params: RuleParams) -> str:
    """Return the rule in words, with its parameters."""
    p = params
    return (
        f"An expansion is proposed where price moves at least {p.move_atr:g} ATR one way within "
        f"{p.min_bars} to {p.max_bars} bars, covers at least {p.efficiency:.0%} of the path of its "
        f"closes as net move, and makes at least {p.pace:g} ATR times the square root of its "
        f"bars. ATR is the average true range of about {p.atr_bars} bars at the start. "
        "The first bar holds the extreme the move leaves from and is the last bar of what came "
        "before; the last bar has the furthest close. "
        f"Before it must come a consolidation (the last {p.quiet_bars} bars no higher than "
        f"{p.quiet_atr:g} ATR from low to high) or, within {p.pre_bars} bars, a counter-move of "
        f"at least {p.counter_atr:g} ATR: a retracement if it took back at most "
        f"{p.taken_back:.0%} of a move in the direction of the expansion, otherwise a reversal. "
        "Of overlapping proposals the one with the best pace stays. No proposal and nothing it "
        f"is judged by lies across a pause longer than {p.gap_bars:g} usual bars."
    )


RULE_TEXT = rule_text(RuleParams())


@dataclass(frozen=True, slots=True)
class ProposedSpan:
    """An expansion that the rule found: bars ``start..end`` of the series, both inclusive."""

    start: int
    end: int
    direction: Direction
    type: SpanType
    score: float
    """The pace of the move: net move in ATR over the square root of its bars."""

    @property
    def length_bars(self) -> int:
        """Number of bars, both ends counted."""
        return self.end - self.start + 1


def propose_spans(
    ohlc: NDArray[np.float64], params: RuleParams | None = None, timestamps: Any = None
) -> list[ProposedSpan]:
    """Return disjoint proposals in the order of the bars.

    Parameters
    ----------
    ohlc
        (N, 4) open, high, low, close.
    params
        The rule's parameters.
    timestamps
        (N,) times of the bars. Where the step to the next bar is longer than ``gap_bars`` times
        the usual (median) step, no proposal, pre-phase or true range reaches across. Without
        times the bars count as one unbroken run.
    """
    from moola.compiled.moves import Limits, best_moves  # numba: loaded when it is needed

    params = params or RuleParams()
    ohlc = np.ascontiguousarray(ohlc, np.float64)
    if ohlc.ndim != 2 or ohlc.shape[1] != 4:
        raise SchemaError(f"Bars should have shape (N, 4). Found {ohlc.shape}.")
    run_start = run_starts(len(ohlc), timestamps, params.gap_bars)
    atr = _average_true_range(ohlc, run_start, params.atr_bars)
    values = {name: getattr(params, name) for name in Limits._fields if name != "slack"}
    limits = Limits(**values, slack=SLACK)
    end, sign, score = best_moves(ohlc, atr, run_start, limits)
    found = [
        ProposedSpan(s, int(end[s]), "up" if sign[s] > 0 else "down", kind, float(score[s]))
        for s in np.flatnonzero(sign).tolist()
        if (kind := _type_of_move(ohlc, s, sign=sign[s], atr=atr[s], first=run_start[s], p=params))
    ]
    return _disjoint(found, len(ohlc))


def proposal_id(series_id: str, source: str, start: int, end: int) -> str:
    """Return the id of a span that a source proposes: the same place and source, the same id."""
    return hashlib.sha1(f"{series_id}|{source}|{start}|{end}".encode()).hexdigest()[:16]


def window_start(span: ProposedSpan, n_bars_of_series: int) -> int:
    """Return where the 105-bar view of a proposal begins.

    The span starts anywhere in bars 30..60 of its view, fixed by its place in the series: were it
    always centred, the position alone would give the label away.
    """
    if n_bars_of_series < WINDOW_LENGTH:
        raise SchemaError(
            f"A series should have at least {WINDOW_LENGTH} bars to show a window of it. "
            f"Found {n_bars_of_series}."
        )
    offset = 30 + span.start * 17 % 31
    return int(np.clip(span.start - offset, 0, n_bars_of_series - WINDOW_LENGTH))


def average_true_range(
    ohlc: NDArray[np.float64],
    atr_bars: int,
    timestamps: Any = None,
    *,
    gap_bars: float = RuleParams.gap_bars,
) -> NDArray[np.float64]:
    """Return (N,) Wilder's average of the true range up to each bar, as the rule measures it.

    Given times, the true range of a bar after a pause does not reach across it.
    """
    run_start = run_starts(len(ohlc), timestamps, gap_bars)
    return _average_true_range(np.asarray(ohlc, np.float64), run_start, atr_bars)


def _average_true_range(
    ohlc: NDArray[np.float64], run_start: NDArray[np.int64], atr_bars: int
) -> NDArray[np.float64]:
    """Return (N,) Wilder's average of the true range up to each bar, a plain mean at first."""
    before = np.concatenate([ohlc[:1, 3], ohlc[:-1, 3]])
    goes_on = np.arange(len(ohlc)) > run_start
    high = np.where(goes_on, np.maximum(ohlc[:, 1], before), ohlc[:, 1])
    low = np.where(goes_on, np.minimum(ohlc[:, 2], before), ohlc[:, 2])
    atr, value = [], 0.0
    for t, true_range in enumerate((high - low).tolist(), start=1):
        value += (true_range - value) / min(t, atr_bars)
        atr.append(value)
    return np.array(atr)


def run_starts(n_bars: int, timestamps: Any, gap_bars: float) -> NDArray[np.int64]:
    """Return (N,) the first bar of the unbroken run that each bar belongs to."""
    if timestamps is None or n_bars < 2:
        return np.zeros(n_bars, np.int64)
    seconds = pd.DatetimeIndex(timestamps).as_unit("ns").asi8
    if len(seconds) != n_bars:
        raise SchemaError(f"There should be one time a bar, {n_bars}. Found {len(seconds)}.")
    steps = np.diff(seconds)
    is_first = np.r_[True, steps > gap_bars * np.median(steps)]
    return np.maximum.accumulate(np.where(is_first, np.arange(n_bars), 0))


def _disjoint(found: list[ProposedSpan], n_bars: int) -> list[ProposedSpan]:
    """Keep the best proposal of every overlap."""
    taken, kept = np.zeros(n_bars, bool), []
    for span in sorted(found, key=lambda span: (-round(span.score, 9), span.start)):
        if not taken[span.start : span.end + 1].any():
            taken[span.start : span.end + 1] = True
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def _type_of_move(
    ohlc: NDArray, start: int, *, sign: int, atr: float, first: int, p: RuleParams
) -> SpanType | None:
    """Return what came before the move, or None if it was neither quiet nor a counter-move."""
    offset = max(first, start - 2 * p.pre_bars)
    bars = ohlc[offset : start + 1]
    high, low = (bars[:, 1], bars[:, 2]) if sign > 0 else (-bars[:, 2], -bars[:, 1])
    if high[-p.quiet_bars :].max() - low[-p.quiet_bars :].min() <= (p.quiet_atr + SLACK) * atr:
        return "consolidation"
    before = max(0, len(bars) - 1 - p.pre_bars)
    turn = before + int(np.argmax(high[before:]))
    counter = high[turn] - low[-1]
    if counter < (p.counter_atr - SLACK) * atr:
        return None
    leg = high[turn] - low[max(0, turn - p.pre_bars) : turn + 1].min()
    return "retracement" if counter <= (p.taken_back + SLACK) * leg else "reversal"
