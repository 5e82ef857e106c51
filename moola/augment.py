"""Show a training window elsewhere in its series, and upside down: labels follow exactly.

A *shift* by k bars begins the window k bars later, so that a span from bar s starts at ``s - k``.
Its own span stays inside, and the window stays in its series and away from every bar that is held
out: no closer than the features look back, or than it was. Bars that come into view have the labels
that other training windows give them; where no window shows a bar, nobody has said if it lies
inside a span, and only the countdown counts it (`brought_in`): how far it is from the window's own
start is known of every bar. Another span that the new border cuts counts as little.

A *mirror* reflects the prices, ``p -> c - p``. What an expansion is does not depend on its
direction, so the labels stay (`mirror_features`).

Moves follow from the seed and the epoch alone: a resumed run makes those it would have made.
Evaluation, calibration and the gradient probe see the windows as they were labelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moola.config import Augmentation
from moola.examples import CONTEXT_BARS, CONTEXT_LENGTH, NO_SPAN, Context, Examples
from moola.features import FEATURE_NAMES, LOOKBACK_BARS
from moola.schema import WINDOW_LENGTH
from moola.seen_bars import RUN_BARS, fingerprints, print_set

_STREAM = 1
"""Second word of the seed: the order of the batches draws from the first."""

# Under p -> c - p an open at the low comes to the high, and swing highs become swing lows. The
# distances ``SH - close`` and ``close - SL`` change places without a change of sign. The proxies
# stay: the zigzag's leg and the body change sign together, and the other parts are symmetric.
_SWAPPED = {
    "upper_wick_pct": "lower_wick_pct",
    "dist_to_prev_SH": "dist_to_prev_SL",
    "bars_since_SH_norm": "bars_since_SL_norm",
}
_PARTNER = _SWAPPED | {low: high for high, low in _SWAPPED.items()}
_COLUMNS = [FEATURE_NAMES.index(_PARTNER.get(name, name)) for name in FEATURE_NAMES]
_FROM_ONE = [FEATURE_NAMES.index(name) for name in ("open_norm", "close_norm")]
_BODY = FEATURE_NAMES.index("body_pct")


class Moves(NamedTuple):
    """What happens to each of N training windows in one epoch."""

    shift_bars: NDArray[np.int64]  # (N,) how much later the window begins
    mirrored: NDArray[np.bool_]  # (N,)


@dataclass(frozen=True, eq=False)
class _Around:
    """What the training windows say about the bars around each of N windows."""

    inside: NDArray[np.bool_]  # (N, L)
    known: NDArray[np.bool_]  # (N, L) judged by a training window and not left out there
    first: NDArray[np.int64]  # (N, L) sequence number where the span on this bar starts
    last: NDArray[np.int64]  # (N, L) where it ends; NO_SPAN outside of spans


class Augment:
    """The training windows among `examples`, moved anew in every epoch.

    Parameters
    ----------
    examples
        All of a run's windows: those held out say where no window may be shifted to. Without their
        context nothing can be shifted.
    """

    def __init__(self, how: Augmentation, examples: Examples, *, seed: int) -> None:
        self.how, self.seed = how, seed
        self.train = examples.take(~examples.is_val)
        self.lowest, self.highest = shift_range(examples)
        self._around = _around(self.train)

    def draw(self, epoch: int) -> Moves:
        """Draw a move for every training window: any legal shift, and a coin for the mirror."""
        rng = np.random.default_rng([self.seed, epoch, _STREAM])
        shift = rng.integers(self.lowest, self.highest, endpoint=True)
        mirrored = rng.random(len(shift)) < 0.5
        return Moves(
            shift if "shift" in self.how else np.zeros_like(shift),
            mirrored & ("mirror" in self.how),
        )

    def batch(self, rows: NDArray[np.int64], moves: Moves) -> Examples:
        """Return the training windows at `rows` after their `moves`, as examples of their own."""
        windows, shift = self.train.take(rows), moves.shift_bars[rows]
        if windows.context is not None:
            windows = self._shifted(windows, windows.context, rows, shift)
        mirrored = moves.mirrored[rows, None, None]
        return replace(
            windows,
            ohlc=np.where(mirrored, mirror_prices(windows.ohlc), windows.ohlc),
            features=np.where(mirrored, mirror_features(windows.features), windows.features),
        )

    def _shifted(
        self,
        windows: Examples,
        context: Context,
        rows: NDArray[np.int64],
        shift: NDArray[np.int64],
    ) -> Examples:
        place = CONTEXT_BARS + shift[:, None] + np.arange(WINDOW_LENGTH)
        b, around = np.arange(len(rows))[:, None], self._around
        inside, known, first, last = (
            column[rows[:, None], place]
            for column in (around.inside, around.known, around.first, around.last)
        )
        bar_start, has_span = windows.bar_start + shift, windows.has_span
        begin = bar_start[:, None]
        is_cut = (first != NO_SPAN) & ((first < begin) | (last >= begin + WINDOW_LENGTH))
        return replace(
            windows,
            bar_start=bar_start,
            ohlc=context.ohlc[b, place],
            features=context.features[b, place],
            start=np.where(has_span, windows.start - shift, NO_SPAN),
            end=np.where(has_span, windows.end - shift, NO_SPAN),
            inside=inside,
            ignore=~known | is_cut,
            context=None,
        )


def brought_in(shift_bars: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (N, 105) which bars of windows shifted so far were not in view before.

    >>> np.flatnonzero(brought_in(np.array([-2]))).tolist()
    [0, 1]
    """
    before = np.arange(WINDOW_LENGTH) + np.asarray(shift_bars)[:, None]
    return (before < 0) | (before >= WINDOW_LENGTH)


def mirror_prices(ohlc: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (..., T, 4) prices reflected at the first open of each stretch of bars."""
    return 2 * ohlc[..., :1, :1] - ohlc[..., [0, 2, 1, 3]]


def mirror_features(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the features (..., 12) of reflected prices: an involution.

    >>> bar = np.zeros(12, np.float32)
    >>> bar[:5] = 0.25, 0.75, 0.5, 0.25, 0.25  # opens at a quarter, closes at three quarters
    >>> mirror_features(bar)[:5].tolist()
    [0.75, 0.25, -0.5, 0.25, 0.25]
    """
    mirrored = features[..., _COLUMNS]
    mirrored[..., _FROM_ONE] = 1 - mirrored[..., _FROM_ONE]
    mirrored[..., _BODY] *= -1
    return mirrored


def shift_range(examples: Examples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the least and the greatest legal shift of each training window, both inclusive."""
    train = examples.take(~examples.is_val)
    if train.context is None:
        return np.zeros(len(train), np.int64), np.zeros(len(train), np.int64)
    barred = _barred(examples, train, train.context)
    before, after = barred[:, :CONTEXT_BARS], barred[:, CONTEXT_BARS + WINDOW_LENGTH :]
    n_before = np.minimum(train.context.n_before, _free_run(before[:, ::-1]))
    n_after = np.minimum(train.context.n_after, _free_run(after))
    to_end = np.where(train.has_span, WINDOW_LENGTH - 1 - train.end, CONTEXT_BARS)
    to_start = np.where(train.has_span, train.start, CONTEXT_BARS)
    return -np.minimum(n_before, to_end), np.minimum(n_after, to_start)


def _free_run(barred: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (N,) how many places are free before the first barred one."""
    return np.where(barred.any(axis=1), barred.argmax(axis=1), barred.shape[1])


def _barred(examples: Examples, train: Examples, context: Context) -> NDArray[np.bool_]:
    """Return (N, L) places closer to a held-out bar than the features look back.

    Held-out bars are known by their place, and where a feed was imported twice by their content,
    as far as the context shows it.
    """
    held_out = examples.take(examples.is_val)
    barred = np.zeros((len(train), CONTEXT_LENGTH), bool)
    for row, _, offset in _neighbours(train, held_out, margin_bars=LOOKBACK_BARS):
        _bar(barred[row], offset, offset + WINDOW_LENGTH)
    prints = print_set(held_out.ohlc)
    for row, ohlc in enumerate(context.ohlc):
        for place in np.flatnonzero(np.isin(fingerprints(ohlc), prints)):
            _bar(barred[row], int(place), int(place) + RUN_BARS)
    return barred


def _bar(places: NDArray[np.bool_], begin: int, end: int) -> None:
    """Bar ``begin..end - 1`` and as much on both sides as the features look back."""
    places[max(begin - LOOKBACK_BARS, 0) : max(end + LOOKBACK_BARS, 0)] = True


def _neighbours(
    windows: Examples, others: Examples, *, margin_bars: int = 0
) -> Iterator[tuple[int, int, int]]:
    """Yield the rows of a window and of another in or near its context, and the other's place."""
    for name in np.unique(windows.series_id):
        there = np.flatnonzero(others.series_id == name)
        for row in np.flatnonzero(windows.series_id == name):
            place = others.bar_start[there] - windows.bar_start[row] + CONTEXT_BARS
            ahead, behind = -WINDOW_LENGTH - margin_bars, CONTEXT_LENGTH + margin_bars
            for near in np.flatnonzero((place > ahead) & (place < behind)):
                yield int(row), int(there[near]), int(place[near])


def _around(train: Examples) -> _Around:
    """Spread the labels of the training windows over the bars around each of them.

    Inside a window its own labels hold, whatever others say of the same bars.
    """
    shape = (len(train), CONTEXT_LENGTH)
    inside, known = np.zeros(shape, bool), np.zeros(shape, bool)
    around = _Around(inside, known, np.full(shape, NO_SPAN), np.full(shape, NO_SPAN))
    own_place = slice(CONTEXT_BARS, CONTEXT_BARS + WINDOW_LENGTH)
    own: list[tuple[int, int]] = []
    for row, other, place in _neighbours(train, train):
        if train.window_uid[row] == train.window_uid[other]:
            own.append((row, other))
            continue
        here = slice(max(place, 0), min(place + WINDOW_LENGTH, CONTEXT_LENGTH))
        there = slice(here.start - place, here.stop - place)
        judged = ~train.ignore[other, there]
        inside[row, here] |= train.inside[other, there] & judged
        known[row, here] |= judged
        _write_span(around, row, train, other, place)
    inside[:, own_place], known[:, own_place] = train.inside, ~train.ignore
    around.first[:, own_place] = around.last[:, own_place] = NO_SPAN
    for row, other in own:
        _write_span(around, row, train, other, CONTEXT_BARS)
    return around


def _write_span(around: _Around, row: int, train: Examples, source: int, place: int) -> None:
    """Write the edges of the span of `source`, whose window begins at `place`, on its bars."""
    if train.has_span[source]:
        start, end = train.start[source], train.end[source]
        bars = slice(max(place + start, 0), max(place + end + 1, 0))
        around.first[row, bars] = train.bar_start[source] + start
        around.last[row, bars] = train.bar_start[source] + end
