"""Labels, decisions and their history in one database (SQLite, or any SQLAlchemy URL)."""

from moola.store.label_store import LOCAL, LabelStore
from moola.store.records import (
    Event,
    ImportedWindow,
    ImportSummary,
    Proposal,
    ProposedWindow,
    ProposeSummary,
    Series,
    StoredSpan,
    WindowRow,
    WindowView,
)

__all__ = [
    "LOCAL",
    "Event",
    "ImportSummary",
    "ImportedWindow",
    "LabelStore",
    "Proposal",
    "ProposeSummary",
    "ProposedWindow",
    "Series",
    "StoredSpan",
    "WindowRow",
    "WindowView",
]
