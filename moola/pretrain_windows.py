"""Make the windows that an encoder is pretrained on, out of unlabelled bars.

The last tenth of every stretch of bars is for checking, so that no bar is trained and checked on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from moola.collect import examples_of
from moola.examples import Examples
from moola.exceptions import SchemaError
from moola.features import LOOKBACK_BARS
from moola.gathering import Gathered, LabelledWindow
from moola.planted_windows import SPACED_PLAN, Bars, planted_windows
from moola.pretrain_config import PretrainConfig
from moola.schema import WINDOW_LENGTH
from moola.seen_bars import SeenBars, print_set
from moola.unlabelled import LEAST_BARS, Stretch
from moola.windows import window_uid

CHECKED_SHARE = 0.1
BARS_PER_EVENT = 175
"""What an event of the plan takes with its pause; fewer windows come out where sessions are short.
"""
EVENT_LENGTHS_BARS = (3, 23)
"""Real labels run from 2 to 23 bars; one of 2 is hardly more than a large bar."""


def seen_bars(stretches: Sequence[Stretch]) -> SeenBars:
    """Return the record of the bars that windows of `stretches` show."""
    places = tuple(stretch.seen() for stretch in stretches)
    return SeenBars(places, print_set(stretch.ohlc for stretch in stretches))


def pretraining_examples(stretches: Sequence[Stretch], config: PretrainConfig) -> Examples:
    """Return about as many windows as `config` asks for, and a tenth more to check on.

    Raises
    ------
    SchemaError
        If the bars do not suffice for windows on both sides.
    """
    train, check = _parts(stretches)
    make = _planted if config.method == "planted" else _plain
    learned = make(train, config, config.windows, stream=0)
    checked = make(check, config, max(8, round(config.windows * CHECKED_SHARE)), stream=1)
    if not learned.windows or not checked.windows:
        raise SchemaError(
            "Pretraining needs windows to learn from and others to check on. Found "
            f"{len(learned.windows)} and {len(checked.windows)} in "
            f"{sum(map(len, stretches)):,} unlabelled bars; import more."
        )
    names = {window.series_id for window in checked.windows}

    def ohlc_of(name: str) -> NDArray[np.float64]:
        return (checked if name in names else learned).ohlc_of(name)

    gathered = Gathered(learned.windows + checked.windows, ohlc_of, {})
    examples = examples_of(gathered, with_context=config.method == "planted")
    return replace(examples, is_val=np.isin(examples.series_id, sorted(names)))


def _parts(stretches: Sequence[Stretch]) -> tuple[list[Stretch], list[Stretch]]:
    """Return what is learned from and what is checked on; no stretch stands in both whole."""
    train, check = [], []
    for stretch in stretches:
        border = len(stretch) - round(len(stretch) * CHECKED_SHARE)
        if len(stretch) - border < LEAST_BARS:
            train.append(stretch)
        else:
            train.append(stretch.part(0, border))
            check.append(stretch.part(border, len(stretch)))
    if not check:  # many short stretches: the last of them
        train, check = train[:-1], train[-1:]
    return train, check


def _planted(
    stretches: Sequence[Stretch], config: PretrainConfig, n_windows: int, *, stream: int
) -> Gathered:
    """Return windows around events planted anew into the same bars until there are enough."""
    rng = np.random.default_rng([config.seed, stream])
    plan = replace(SPACED_PLAN, strength=config.strength, lengths_bars=EVENT_LENGTHS_BARS)
    n_bars = sum(map(len, stretches))
    n_passes = math.ceil(n_windows * BARS_PER_EVENT / max(n_bars, 1))
    bars = [
        Bars(
            f"{_name(stretch)}/{number}", stretch.ohlc, stretch.run_start, stretch.series.tick_size
        )
        for number in range(n_passes)
        for stretch in stretches
    ]
    gathered = planted_windows(bars, plan=plan, rng=rng)
    chosen = np.sort(rng.permutation(len(gathered.windows))[:n_windows])
    return replace(gathered, windows=tuple(gathered.windows[place] for place in chosen))


def _plain(
    stretches: Sequence[Stretch], config: PretrainConfig, n_windows: int, *, stream: int
) -> Gathered:
    """Return windows at random places, without a span."""
    rng = np.random.default_rng([config.seed, stream])
    places = [
        (_name(stretch), start)
        for stretch in stretches
        for start in range(LOOKBACK_BARS, len(stretch) - WINDOW_LENGTH + 1)
    ]
    chosen = np.sort(rng.permutation(len(places))[:n_windows])
    bars_of = {_name(stretch): stretch.ohlc for stretch in stretches}
    windows = [LabelledWindow(window_uid(*places[i]), *places[i], spans=()) for i in chosen]
    return Gathered(tuple(windows), bars_of.__getitem__, {})


def _name(stretch: Stretch) -> str:
    return f"{stretch.series.series_id}@{stretch.first}"
