"""How far two layers of labels agree, and how far one person can be trusted; numbers only.

``compare(a, b, groups)`` lines up the windows that both have decided; ``score`` of it gives event
precision, recall and F1, edge errors, kappa. Intervals are drawn over groups of windows
(`moola.draw_groups`). A *layer* is one person's labels, his repeats, or the adjudicated ones.
"""

from moola.agreement.pairs import Pair, compare
from moola.agreement.scores import (
    Bucket,
    Estimate,
    ReasonRow,
    by_bucket,
    decision_table,
    reason_rows,
    score,
)
from moola.agreement.trust import FAST_S, Times, catch_share, times_of

__all__ = [
    "FAST_S",
    "Bucket",
    "Estimate",
    "Pair",
    "ReasonRow",
    "Times",
    "by_bucket",
    "catch_share",
    "compare",
    "decision_table",
    "reason_rows",
    "score",
    "times_of",
]
