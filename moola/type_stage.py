"""Name the type of an expansion in a second stage: from the 40 bars before its predicted start.

The network's type head reads the mean over the window and its loss weighs little: it hardly leaves
the largest class. This stage looks where the type is decided, at the bars before the start, turned
so that the expansion points up: 26 numbers free of the price scale, and a logistic regression that
counts every class alike (scikit-learn). It learns at labelled starts and answers at predicted ones.

A run keeps it as ``type_stage.json``, plain coefficients; to apply them needs numpy alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from moola.atomic import write_json
from moola.examples import NO_SPAN, Examples
from moola.exceptions import RunError
from moola.schema import SPAN_TYPES, WINDOW_LENGTH, SpanType

TYPE_STAGE_FILE = "type_stage.json"
LOOKBACK_BARS = 40
MIN_BARS = 5
"""With fewer bars before the start nothing is known, and all types are equally likely."""
MIN_SPANS_PER_TYPE = 2
PENALTY = 0.03
"""C of the logistic regression, smaller pulls more.

Trained on one of four generated sets of 174 windows and asked on the three others, macro F1 at
labelled starts (at starts up to 3 bars off) was .64 (.61) for C of 0.01 to 0.1, .61 (.59) for 0.3
and .60 (.58) for 1. Learning at starts up to 3 bars off as well gained nothing clear (.61).
"""

Floats = NDArray[np.float64]
Columns = dict[str, Floats]
STAGE_COLUMNS = [f"type_stage_{name}" for name in SPAN_TYPES]
_SPANS_BARS = (5, 10, 20, 40)
FEATURES: tuple[str, ...] = (
    *(f"{name}_{n}" for n in _SPANS_BARS for name in ("move", "efficiency", "width", "place")),
    *(f"calm_{n}" for n in _SPANS_BARS[:-1]),
    "since_high",
    "since_low",
    "pullback",
    "rise",
    "autocorrelation",
    "turn",
    "choppiness",
)


@dataclass(frozen=True, eq=False)
class TypeStage:
    """A multinomial logistic regression: softmax of ``coefficients @ z + intercept``.

    ``z`` are the features less `mean`, divided by `deviation`. A type that training lacks has an
    intercept of -inf.
    """

    mean: Floats  # (26,)
    deviation: Floats  # (26,)
    coefficients: Floats  # (3, 26)
    intercept: Floats  # (3,)

    @classmethod
    def fit(cls, train: Examples) -> Self | None:
        """Fit on the labelled spans of `train`; None if fewer than two types have two spans."""
        from sklearn.linear_model import LogisticRegression  # a second to import

        spans = train.take(train.has_span)
        features = pre_features(spans.ohlc, spans.start, spans.end)
        known = np.isfinite(features).all(axis=1)
        features, type_id = features[known], spans.type_id[known]
        n_of_type = np.bincount(type_id, minlength=len(SPAN_TYPES))
        used = n_of_type[type_id] >= MIN_SPANS_PER_TYPE
        present = np.flatnonzero(n_of_type >= MIN_SPANS_PER_TYPE)
        if len(present) < 2:
            return None
        mean, deviation = features[used].mean(axis=0), features[used].std(axis=0)
        deviation[deviation < 1e-9] = 1.0
        model = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=1000)
        model.fit((features[used] - mean) / deviation, type_id[used])
        coefficients = np.zeros((len(SPAN_TYPES), len(FEATURES)))
        intercept = np.full(len(SPAN_TYPES), -np.inf)
        # Of two classes scikit-learn keeps the log-odds of the second.
        two = len(present) == 2
        coefficients[present[1:] if two else present] = model.coef_
        intercept[present] = np.r_[0.0, model.intercept_] if two else model.intercept_
        return cls(mean, deviation, coefficients, intercept)

    def probabilities(self, ohlc: Floats, start: ArrayLike, end: ArrayLike) -> Floats:
        """Return (W, 3) probability of each type; NaN where there is no span.

        Parameters
        ----------
        ohlc
            (W, 105, 4) prices.
        start, end
            (W,) predicted span, both ends inclusive, `NO_SPAN` without one.
        """
        features = pre_features(ohlc, start, end)
        logits = ((features - self.mean) / self.deviation) @ self.coefficients.T + self.intercept
        unknown = ~np.isfinite(features).all(axis=1)
        logits[unknown] = np.where(np.isfinite(self.intercept), 0.0, -np.inf)
        weight = np.exp(logits - logits.max(axis=1, keepdims=True))
        found = np.asarray(start) != NO_SPAN
        return np.where(found[:, None], weight / weight.sum(axis=1, keepdims=True), np.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object, numbers by the name of what they belong to."""
        types = {
            name: {
                "intercept": float(self.intercept[i]),
                "coefficients": dict(zip(FEATURES, self.coefficients[i].tolist(), strict=True)),
            }
            for i, name in enumerate(SPAN_TYPES)
            if np.isfinite(self.intercept[i])
        }
        scale = {
            "mean": dict(zip(FEATURES, self.mean.tolist(), strict=True)),
            "deviation": dict(zip(FEATURES, self.deviation.tolist(), strict=True)),
        }
        return {**scale, "types": types}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make the stage of what `to_dict` returned."""

        def column(numbers: Mapping[str, float]) -> Floats:
            return np.array([float(numbers[name]) for name in FEATURES])

        coefficients = np.zeros((len(SPAN_TYPES), len(FEATURES)))
        intercept = np.full(len(SPAN_TYPES), -np.inf)
        for name, numbers in values["types"].items():
            index = SPAN_TYPES.index(name)
            coefficients[index] = column(numbers["coefficients"])
            intercept[index] = float(numbers["intercept"])
        return cls(column(values["mean"]), column(values["deviation"]), coefficients, intercept)

    def save(self, folder: Path) -> None:
        """Keep the stage in a run's folder."""
        write_json(folder / TYPE_STAGE_FILE, self.to_dict())

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read the stage kept in a run's folder; None where there is none."""
        path = folder / TYPE_STAGE_FILE
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{TYPE_STAGE_FILE} should hold the coefficients of a type stage. "
                f"Found: {error!r} ({path})."
            ) from error


def stage_of_checkpoint(path: Path) -> TypeStage | None:
    """Return the stage of the run that a checkpoint belongs to; None where there is none.

    ``last.pt`` lies beside its run's stage, the checkpoints of single epochs in a folder below it.
    """
    return TypeStage.load(path.parent) or TypeStage.load(path.parent.parent)


def columns(stage: TypeStage | None, ohlc: Floats, start: ArrayLike, end: ArrayLike) -> Columns:
    """Return the columns ``type_stage_<type>`` of W windows; NaN where the stage says nothing."""
    known = np.full((len(ohlc), len(SPAN_TYPES)), np.nan)
    if stage is not None:
        known = stage.probabilities(ohlc, start, end)
    return dict(zip(STAGE_COLUMNS, known.T, strict=True))


def series_columns(
    stage: TypeStage | None, ohlc: Floats, start: NDArray[np.int64], end: NDArray[np.int64]
) -> Columns:
    """Return the columns ``type_stage_<type>`` of S spans on the bars of one series.

    Parameters
    ----------
    ohlc
        (n_bars, 4) prices, at least a window of them.
    start, end
        (S,) bars of the series, both ends inclusive; no span is longer than a window.
    """
    begin = np.minimum(start - LOOKBACK_BARS, len(ohlc) - WINDOW_LENGTH)
    begin = np.maximum(np.maximum(begin, end - (WINDOW_LENGTH - 1)), 0)
    windows = ohlc[begin[:, None] + np.arange(WINDOW_LENGTH)]
    return columns(stage, windows, start - begin, end - begin)


def decided_type(row: Mapping[Any, Any]) -> SpanType:
    """Return the type that a row of a run's table names: the stage's, or without it the head's.

    >>> head = {f"prob_{name}": p for name, p in zip(SPAN_TYPES, (0.5, 0.3, 0.2))}
    >>> decided_type(head)
    'consolidation'
    >>> decided_type(head | {f"type_stage_{n}": p for n, p in zip(SPAN_TYPES, (0.1, 0.1, 0.8))})
    'reversal'
    """
    named = "type_stage" if np.isfinite(row.get(STAGE_COLUMNS[0], np.nan)) else "prob"
    return max(SPAN_TYPES, key=lambda name: row[f"{named}_{name}"])


def decided_types(table: pd.DataFrame) -> NDArray[np.int64]:
    """Return the index of the type that each row names (`decided_type`)."""
    names = [decided_type(row) for row in table.to_dict("records")]
    return np.array([SPAN_TYPES.index(name) for name in names], np.int64)


def pre_features(ohlc: Floats, start: ArrayLike, end: ArrayLike) -> Floats:
    """Return (W, 26) `FEATURES` of the bars before spans; NaN with fewer than five bars.

    Lengths are in mean ranges of the bars before, times the square root of their number where a
    longer stretch moves further by chance alone. ``move`` is signed: above 0 the way of the
    expansion to come. ``efficiency`` is the move over the path, ``width`` from lowest to highest,
    ``place`` where the last close lies between them, ``calm`` the log of the mean range of the last
    bars to that of all.
    """
    start, end = np.asarray(start), np.asarray(end)
    out = np.full((len(start), len(FEATURES)), np.nan)
    rows = np.flatnonzero(start >= MIN_BARS)
    if len(rows):
        bars = _bars_before(ohlc[rows], start[rows], end[rows])
        out[rows] = np.stack(_columns(bars), axis=1)
    return out


def _bars_before(ohlc: Floats, start: NDArray[Any], end: NDArray[Any]) -> Floats:
    """Return (W, 40, 4) bars up to the start, turned upwards; NaN before the window's first."""
    row = np.arange(len(ohlc))
    is_down = ohlc[row, end, 3] < ohlc[row, start, 0]
    turned = np.where(is_down[:, None, None], -ohlc[..., [0, 2, 1, 3]], ohlc)
    bar = start[:, None] + np.arange(-LOOKBACK_BARS, 0)
    bars = turned[row[:, None], np.maximum(bar, 0)]
    return np.where((bar >= 0)[..., None], bars, np.nan)


def _columns(bars: Floats) -> list[Floats]:
    high, low, close = bars[..., 1], bars[..., 2], bars[..., 3]
    last, unit = close[:, -1], np.nanmean(high - low, axis=1)
    unit = np.where(unit > 0, unit, 1.0)
    step = np.diff(close, axis=1)
    columns: list[Floats] = []
    for n in _SPANS_BARS:
        n_bars = np.isfinite(close[:, -n:]).sum(axis=1)
        scale = unit * np.sqrt(n_bars)
        first = np.take_along_axis(close, LOOKBACK_BARS - n_bars[:, None], axis=1)[:, 0]
        top, bottom = np.nanmax(high[:, -n:], axis=1), np.nanmin(low[:, -n:], axis=1)
        path = np.nansum(np.abs(step[:, -(n - 1) :]), axis=1)
        columns += [
            (last - first) / scale,
            _share(last - first, path, 0.0),
            (top - bottom) / scale,
            _share(last - bottom, top - bottom, 0.5),
        ]
    for n in _SPANS_BARS[:-1]:
        recent = np.nanmean((high - low)[:, -n:], axis=1) / unit
        columns.append(np.log(np.maximum(recent, 0.05)))
    return columns + _shape(high, low, step, last, unit)


def _shape(high: Floats, low: Floats, step: Floats, last: Floats, unit: Floats) -> list[Floats]:
    """Return the seven features of the whole stretch: where its extremes are and how it goes."""
    n_bars = np.isfinite(high).sum(axis=1)
    top, bottom = np.nanmax(high, axis=1), np.nanmin(low, axis=1)
    since_high = LOOKBACK_BARS - 1 - np.nanargmax(high, axis=1)
    since_low = LOOKBACK_BARS - 1 - np.nanargmin(low, axis=1)
    scale = unit * np.sqrt(n_bars)
    energy = np.nansum(step**2, axis=1)
    path, width = np.nansum(np.abs(step), axis=1), top - bottom
    return [
        since_high / LOOKBACK_BARS,
        since_low / LOOKBACK_BARS,
        (top - last) / scale,
        (last - bottom) / scale,
        _share(np.nansum(step[:, 1:] * step[:, :-1], axis=1), energy, 0.0),
        (np.nansum(step[:, -10:], axis=1) - np.nansum(step[:, -30:-10], axis=1)) / scale,
        np.log1p(_share(path, width, 0.0)),
    ]


def _share(part: Floats, whole: Floats, without: float) -> Floats:
    """Return part / whole, and `without` where the whole is 0."""
    return np.divide(part, whole, out=np.full(part.shape, without), where=whole > 0)
