"""The label store: spans live in the series, windows are views, and every change is an event.

``LabelStore.open("sqlite:///data/moola.db")`` is all there is to it.
"""

from moola.second_look import CATCH, GOLD, REPEAT
from moola.store.incoming import (
    ImportedProposal,
    ImportedSpan,
    ImportedWindow,
    ImportSummary,
    ProposeSummary,
    Rehomed,
)
from moola.store.reader import LOCAL
from moola.store.records import (
    SPAN_FIELDS,
    Answer,
    Decision,
    Event,
    Judgement,
    Lease,
    Proposal,
    Release,
    Rule,
    Series,
    StoredSpan,
    WindowRow,
    WindowView,
)
from moola.store.standing import Standings
from moola.store.store import LabelStore

__all__ = [
    "CATCH",
    "GOLD",
    "LOCAL",
    "REPEAT",
    "SPAN_FIELDS",
    "Answer",
    "Decision",
    "Event",
    "ImportSummary",
    "ImportedProposal",
    "ImportedSpan",
    "ImportedWindow",
    "Judgement",
    "LabelStore",
    "Lease",
    "Proposal",
    "ProposeSummary",
    "Rehomed",
    "Release",
    "Rule",
    "Series",
    "Standings",
    "StoredSpan",
    "WindowRow",
    "WindowView",
]
