"""Turn bars into the 12 features of a bar: causal, free of the price scale, in one compiled pass.

Run it over a whole series and cut windows out of the result, so that every window starts with a
warm state: ``compute_features(ohlc)[start : start + 105]``.

Ranges. ``EMA20`` of ``high - low`` has gain 2/21, ``ATR10`` is Wilder's average of the true range
with gain 1/10. Both start as the plain mean of the bars so far (gain ``1/n`` while that is the
larger one), so that there is no made-up first value.

Zigzag. The first leg goes the way of bar 0's body (up when open equals close). An up leg carries
its highest high, the earliest bar of equal ones. On a *later* bar the close confirms that high as
swing high (SH) when it lies below it by at least 1.2 ATR10, or by at least 0.5 ATR10 and the
high is at most 5 bars old. From that bar on the leg is down and carries the lowest low after the
swing high's bar. Down legs mirror this. A bar confirms at most one swing, and thresholds count as
reached within one part in 10^9, so that a change of price scale cannot tip a tie. The high and
low of bar 0 stand in for SH and SL until the first of each is confirmed.

Bars without range. A flat bar (high equals low) has ``open_norm = close_norm = 0.5`` and no body
or wick. Where no bar has had a range yet, ``range_z`` is 0; a distance measured with an ATR10 of
zero is 0 or stands at its limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moola.exceptions import SchemaError

FEATURE_NAMES: tuple[str, ...] = (
    "open_norm",
    "close_norm",
    "body_pct",
    "upper_wick_pct",
    "lower_wick_pct",
    "range_z",
    "dist_to_prev_SH",
    "dist_to_prev_SL",
    "bars_since_SH_norm",
    "bars_since_SL_norm",
    "expansion_proxy",
    "consol_proxy",
)
LOOKBACK_BARS = 60
"""Bars until a cold start has worn off.

On six real series (minute to hour bars, two of them gappy) at most 1 in 200 starts still had a
feature more than 0.1 away from its warm value after 60 bars; after 30 bars 3 to 25 % had one.
"""


def compute_features(ohlc: ArrayLike) -> NDArray[np.float32]:
    """Return the features of every bar of one series.

    Parameters
    ----------
    ohlc
        (N, 4) open, high, low and close of consecutive bars, oldest first.

    Returns
    -------
    features
        (N, 12) float32 in the order of `FEATURE_NAMES`; row t depends on bars 0..t only.

    Raises
    ------
    SchemaError
        If a bar is not finite or its open or close lies outside low..high.

    Examples
    --------
    >>> bar = compute_features([[100, 104, 100, 103]])[0]
    >>> dict(zip(FEATURE_NAMES, bar.tolist()))["close_norm"]
    0.75
    """
    from moola.compiled.features import NO_BAD_BAR, fill  # numba: loaded when it is needed

    bars = np.ascontiguousarray(ohlc, dtype=np.float64)
    if bars.ndim != 2 or bars.shape[1] != 4:
        raise SchemaError(f"Bars should have shape (N, 4). Found {bars.shape}.")
    features = np.empty((len(bars), len(FEATURE_NAMES)), np.float32)
    bad_bar = fill(bars, features)
    if bad_bar != NO_BAD_BAR:
        raise SchemaError(
            "Prices should be finite with open and close inside low..high. "
            f"Found {bars[bad_bar].tolist()} (bar {bad_bar})."
        )
    return features
