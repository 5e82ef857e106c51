"""The label store: spans live in the series, windows are views, and every change is an event.

``LabelStore.open("sqlite:///data/moola.db")`` is all there is to it.
"""

from moola.store.reader import LOCAL
from moola.store.records import (
    Event,
    ImportedSpan,
    ImportedWindow,
    ImportSummary,
    Proposal,
    ProposeSummary,
    Series,
    StoredSpan,
    WindowRow,
    WindowView,
)
from moola.store.store import LabelStore

__all__ = [
    "LOCAL",
    "Event",
    "ImportSummary",
    "ImportedSpan",
    "ImportedWindow",
    "LabelStore",
    "Proposal",
    "ProposeSummary",
    "Series",
    "StoredSpan",
    "WindowRow",
    "WindowView",
]
