"""Parquet and Feather: tables of named columns with types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from moola.exceptions import ImportRefused
from moola.tables import PARQUET_MAGIC
from moola.vendors.answers import Answers, Progress
from moola.vendors.draft import CHUNK_ROWS, HEAD_ROWS, Draft, find_columns, no_bars, refuse_missing
from moola.vendors.named import ALIASES, MAKERS_ZONE
from moola.vendors.sources import Source, readable

FEATHER_MAGIC = b"ARROW1"
OLD_FEATHER_MAGIC = b"FEA1"
INDEX_NAMES = ("__index_level_0__",)
FREQTRADE = {"date", "open", "high", "low", "close", "volume"}


def is_arrow(head: bytes) -> bool:
    """Return whether a file's first bytes are those of Parquet or Feather."""
    return head.startswith((PARQUET_MAGIC, FEATHER_MAGIC, OLD_FEATHER_MAGIC))


def find_arrow(source: Source, head: bytes) -> Draft:
    """Return a Parquet or Feather file as a table of named columns."""
    if head.startswith(OLD_FEATHER_MAGIC):
        raise ImportRefused(
            f"A Feather file should be of version 2. Found version 1 ({source.name})."
        )
    if source.member is not None or source.name.endswith((".gz", ".zst")):
        raise ImportRefused(
            f"Parquet and Feather are packed already and should stand alone. Found {source.name} "
            f"inside {source.path.name}: unpack it first."
        )
    is_parquet = head.startswith(PARQUET_MAGIC)
    batches = _parquet if is_parquet else _feather
    names = _names(source, is_parquet)
    aliases = {**ALIASES, "time": (*ALIASES["time"], *INDEX_NAMES)}
    columns = find_columns(names, aliases, source.name)
    refuse_missing(columns, names, source.name)

    def chunks(progress: Progress | None = None) -> Iterator[pd.DataFrame]:
        with readable(source.path):
            for table, share in batches(source, list(columns.values()), CHUNK_ROWS):
                if progress:
                    progress(share)
                frame = table.to_pandas(ignore_metadata=True)
                yield pd.DataFrame({raw: frame[name] for raw, name in columns.items()})

    return _draft(source, names, columns, chunks, is_parquet=is_parquet)


def _draft(
    source: Source,
    names: Sequence[str],
    columns: dict[str, str],
    chunks: Callable[[Progress | None], Iterator[pd.DataFrame]],
    *,
    is_parquet: bool,
) -> Draft:
    first = next(chunks(None), None)
    if first is None or first.empty:
        raise no_bars(source.name)
    head = first.head(HEAD_ROWS)
    title = "Parquet" if is_parquet else "Feather"
    time = head["time"]
    has_zone = isinstance(time.dtype, pd.DatetimeTZDtype)
    if not is_parquet and set(names) == FREQTRADE and has_zone:
        return Draft(format="freqtrade_feather", title="freqtrade Feather", head=head,
                     chunks=chunks, known=Answers(stamp="start"))  # fmt: skip
    is_own = columns["time"] == "timestamp" and has_zone
    notes = () if "volume" in columns else ("The file has no volume.",)
    return Draft(
        format=title.lower(), title=f"{title} of named columns", head=head, chunks=chunks,
        known=Answers(stamp="start" if is_own else None), notes=notes, zones=MAKERS_ZONE,
    )  # fmt: skip


def _names(source: Source, is_parquet: bool) -> list[str]:
    with readable(source.path):
        if is_parquet:
            return pq.read_schema(source.path).names
        with _feather_file(source) as file:
            return file.schema.names


def _parquet(
    source: Source, columns: list[str], n_rows: int
) -> Iterator[tuple[pa.RecordBatch, float]]:
    with pq.ParquetFile(source.path, pre_buffer=False) as file:
        total, done = max(file.metadata.num_rows, 1), 0
        for batch in file.iter_batches(n_rows, columns=columns, use_threads=False):
            done += batch.num_rows
            yield batch, done / total


def _feather(
    source: Source, columns: list[str], n_rows: int
) -> Iterator[tuple[pa.RecordBatch, float]]:
    with _feather_file(source) as file:
        for i in range(file.num_record_batches):
            batch = file.get_batch(i).select(columns)
            for first in range(0, batch.num_rows, n_rows):
                yield batch.slice(first, n_rows), (i + 1) / file.num_record_batches


@contextmanager
def _feather_file(source: Source) -> Iterator[pa.ipc.RecordBatchFileReader]:
    with pa.memory_map(str(source.path)) as memory, pa.ipc.open_file(memory) as file:
        yield file
