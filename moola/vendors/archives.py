"""Archives with several files of bars: an instrument each, all of one format and one bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from moola.exceptions import ImportRefused
from moola.tables import listed
from moola.vendors.answers import Progress
from moola.vendors.draft import HEAD_ROWS, Draft
from moola.vendors.sources import Source
from moola.vendors.timing import usual_bar_of

MAX_MEMBERS = 500


def join_drafts(sources: Sequence[Source], find: Callable[[Source], Draft], where: str) -> Draft:
    """Return the files of an archive as one table with an instrument each.

    Raises
    ------
    ImportRefused
        If they are of several formats or bars, or hold several instruments themselves.
    """
    if len(sources) > MAX_MEMBERS:
        raise ImportRefused(
            f"An archive should hold at most {MAX_MEMBERS} files of bars. Found {len(sources):,} "
            f"({where}): unpack it and import one of them."
        )
    drafts = {source.stem: find(source) for source in sources}
    _refuse_several(
        where,
        "bars of one length",
        {
            name: draft.known.bar or usual_bar_of(draft) or "unknown"
            for name, draft in drafts.items()
        },
    )
    _refuse_several(
        where, "files of one format", {name: draft.title for name, draft in drafts.items()}
    )
    if len(drafts) < len(sources) or any("symbol" in draft.head for draft in drafts.values()):
        raise ImportRefused(
            "An archive should hold one file an instrument. Found "
            f"{listed([source.name for source in sources])} in {where}: unpack it and import one "
            "of them."
        )

    def chunks(progress: Progress | None = None) -> Iterator[pd.DataFrame]:
        for i, (name, draft) in enumerate(drafts.items()):
            for raw in draft.chunks(None):
                yield raw.assign(symbol=name)
            if progress:
                progress((i + 1) / len(drafts))

    first = next(iter(drafts.values()))
    share = max(HEAD_ROWS // len(drafts), 1)
    heads = [draft.head.head(share).assign(symbol=name) for name, draft in drafts.items()]
    return replace(
        first, head=pd.concat(heads, ignore_index=True), chunks=chunks, symbols=tuple(drafts),
        known=replace(first.known, symbol=None), rows_of_symbol=True,
    )  # fmt: skip


def _refuse_several(where: str, wanted: str, found: dict[str, str]) -> None:
    if len(set(found.values())) > 1:
        shown = listed([f"{name} ({value})" for name, value in found.items()])
        raise ImportRefused(
            f"An archive should hold {wanted}. Found {shown} in {where}: unpack it and import one "
            "of them."
        )
