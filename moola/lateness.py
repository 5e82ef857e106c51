"""How late a run would call an expansion, as ``moola as-of`` measured it: read, and told in words.

`moola.as_of` measures it; this needs no torch.
"""

from __future__ import annotations

import json
from typing import Any

from moola.exceptions import RunError
from moola.runs import RunFolder

SUMMARY_FILE = "as_of.json"


def read_summary(run: RunFolder) -> dict[str, Any] | None:
    """Return what was measured of a run, or None before."""
    path = run.path / SUMMARY_FILE
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"Run {run.id}: {SUMMARY_FILE} should be JSON. Found: {error}.") from error


def sentences(run: RunFolder) -> list[str]:
    """Return the lag of a run's calls, how many were right and how it was measured, or how to."""
    found = read_summary(run)
    if found is not None:
        return [f"Measured with the bars after t hidden (`moola as-of`): {_told(found)}"]
    how = (
        "a cross-validation has no model of its own to measure it with"
        if run.kind == "crossval"
        else f"`moola as-of --run {run.id}` measures it"
    )
    return [f"What it would say with the bars after t hidden was not measured; {how}."]


def _told(found: dict[str, Any]) -> str:
    n_called, lag, right = found["n_called"], found["lag_bars"], found["start_hit_of_calls"]
    called = (
        f"a call is the first bar at which a start has a posterior of {found['threshold']:g} "
        f"within 3 bars; {n_called:,} of {found['n_spans']:,} held-out spans were called"
    )
    if right is None or lag["median"] is None:
        return f"{called}, none of them right."
    return (
        f"{called}, {right:.0%} of the calls name the start within 3 bars, in the middle "
        f"**{lag['median']:.0f} bars after it** (half of them {lag['p25']:.0f} to "
        f"{lag['p75']:.0f}). Its calls find {found['start_hit_of_spans']:.0%} of the starts, with "
        f"all bars of the window in view it is {found['start_hit_with_all_bars']:.0%}. Windows "
        f"without a span that got a call: {found['n_called_without_span']:,}."
    )
