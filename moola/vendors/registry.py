"""Which family of formats a file belongs to."""

from __future__ import annotations

from pathlib import Path

from moola.exceptions import ImportRefused
from moola.tables import PARQUET_MAGIC
from moola.vendors.archives import join_drafts
from moola.vendors.arrow import find_arrow, is_arrow
from moola.vendors.dbn import find_dbn, is_dbn
from moola.vendors.draft import Draft, no_bars
from moola.vendors.headerless import find_headerless
from moola.vendors.json_bars import find_json, is_json
from moola.vendors.lean import find_lean, is_lean
from moola.vendors.named import find_named
from moola.vendors.sources import Source, open_sources
from moola.vendors.text import read_text_head


def find_draft(path: Path) -> Draft:
    """Return a file as its family of formats understands it; `ImportRefused` if none does."""
    sources = open_sources(path)
    if len(sources) == 1:
        return find_in_source(sources[0])
    return join_drafts(sources, find_in_source, path.name)


def find_in_source(source: Source) -> Draft:
    """Return one stream as its family of formats understands it."""
    head = source.head()
    if source.name.endswith(".parquet") and not head.startswith(PARQUET_MAGIC):
        raise ImportRefused(f"{source.name} should be a Parquet file. Found other content.")
    if is_arrow(head):
        return find_arrow(source, head)
    if is_dbn(head):
        return find_dbn(source)
    if is_json(head):
        return find_json(source)
    table = read_text_head(source)
    if table is None:
        raise ImportRefused(
            f"{source.name} should be a file of bars in text, Parquet, Feather or DBN. Found other "
            "content."
        )
    if table.header is not None:
        return find_named(source, table)
    if not table.rows:
        raise no_bars(source.name)
    if is_lean(source, table):
        return find_lean(source, table)
    return find_headerless(source, table)
