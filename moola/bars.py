"""Keep bars as Parquet files named by their content.

``BarStore(folder).write(table)`` keeps a table with `BAR_COLUMNS`; ``BarStore.writer()`` takes one
of any length in parts. Files of vendors are read by `moola.vendors`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from moola.atomic import written
from moola.bar_rules import BAR_COLUMNS
from moola.exceptions import StoreError
from moola.schema import PRICE_COLUMNS
from moola.tables import one_line

MAX_DECIMALS = 8
BAR_SCHEMA = pa.schema(
    [
        ("timestamp", pa.timestamp("ns", "UTC")),
        *((name, pa.float64()) for name in BAR_COLUMNS[1:]),
    ]
)
TEMPORARY = (".bars-", ".tmp")
ABANDONED_AFTER_S = 86_400
GROUP_ROWS = 250_000
"""Bars of one row group, 12 MB: what reading and writing hold in memory at a time."""


def content_hash(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of times, prices and volume, whatever file they came from."""
    digest = hashlib.sha256(_time_bytes(frame))
    digest.update(_value_bytes(frame))
    return digest.hexdigest()


def tick_size(ohlc: NDArray[np.float64]) -> float | None:
    """Return the greatest step that every price is a multiple of, or None if there is none.

    >>> tick_size(np.array([[15616.75, 15653.25, 15616.0, 15630.5]]))
    0.25
    """
    prices = np.unique(ohlc)
    if len(prices) < 2:
        return None
    for decimals in range(MAX_DECIMALS + 1):
        scaled = prices * 10.0**decimals
        whole = np.rint(scaled)
        # beyond the 15 digits of a float every number would look whole
        if whole[-1] < 1e14 and np.allclose(scaled, whole, rtol=1e-12, atol=1e-6):
            step = int(np.gcd.reduce(whole.astype(np.int64)))
            return round(step / 10**decimals, decimals)
    return None


class BarStore:
    """Bars as Parquet files in one folder; a file's name is the hash of its content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # room for a file of windows that came alone, 3 kB each, beside a few feeds of some MB
        self._cached_ohlc = lru_cache(maxsize=256)(self._read_ohlc)

    def path(self, key: str) -> Path:
        """Return where the bars with content hash `key` are kept."""
        return self.folder / f"{key}.parquet"

    def write(self, frame: pd.DataFrame) -> str:
        """Keep the bars and return their content hash; the same bars twice are one file."""
        key = content_hash(frame)
        if not self.path(key).exists():
            with self.writer() as writer:
                writer.add(frame)
                writer.keep(writer.finish())
        return key

    def writer(self) -> BarWriter:
        """Return a writer that takes bars in parts, as many as there are."""
        return BarWriter(self)

    def read(self, key: str) -> pd.DataFrame:
        """Return the bars with content hash `key`; `StoreError` if missing or damaged."""
        return pd.concat(list(self.groups(key)), ignore_index=True)

    def groups(self, key: str) -> Iterator[pd.DataFrame]:
        """Yield the bars with content hash `key` in parts; the last one says if all were right."""
        path = self.path(key)
        digest = hashlib.sha256()
        for frame in _groups(path, ["timestamp"]):
            digest.update(_time_bytes(frame))
        for frame in _groups(path, list(BAR_COLUMNS)):
            digest.update(_value_bytes(frame))
            yield frame
        if digest.hexdigest() != key:
            raise StoreError(f"{path} should hold the bars it is named after. Found others.")

    def between(self, key: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
        """Return the bars with times in ``first..last``, reading no others."""
        frames = list(_groups(self.path(key), list(BAR_COLUMNS), within=(first, last)))
        if not frames:
            return BAR_SCHEMA.empty_table().to_pandas()
        found = pd.concat(frames, ignore_index=True)
        return pd.DataFrame(found[pd.Series(found["timestamp"]).between(first, last)])

    def ohlc(self, key: str) -> NDArray[np.float64]:
        """Return (N, 4) prices, read-only; the series used last stay in memory."""
        return self._cached_ohlc(key)

    def _read_ohlc(self, key: str) -> NDArray[np.float64]:
        parts = [frame[list(PRICE_COLUMNS)].to_numpy(np.float64) for frame in self.groups(key)]
        ohlc = np.concatenate(parts)
        ohlc.flags.writeable = False
        return ohlc


class BarWriter:
    """Writes bars to a temporary file, part by part, and keeps it under the hash of its content.

    A context manager: what was not kept when it ends is removed.
    """

    def __init__(self, store: BarStore) -> None:
        self._store = store
        self.n_bars = 0

    def __enter__(self) -> Self:
        folder = self._store.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(folder)
            self._file = NamedTemporaryFile(dir=folder, prefix=TEMPORARY[0], suffix=TEMPORARY[1])
        except OSError as error:
            raise _unwritable(folder, error) from error
        self._path = Path(self._file.name)
        self._parquet = pq.ParquetWriter(self._file, BAR_SCHEMA)
        return self

    def add(self, frame: pd.DataFrame) -> None:
        """Write some bars behind those before."""
        try:
            table = pa.Table.from_pandas(
                frame[list(BAR_COLUMNS)], schema=BAR_SCHEMA, preserve_index=False
            )
            self._parquet.write_table(table, GROUP_ROWS)
        except OSError as error:
            raise _unwritable(self._store.folder, error) from error
        self.n_bars += len(frame)

    def finish(self) -> str:
        """Write the rest to disk and return the hash of the content."""
        try:
            self._parquet.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self._store.folder, error) from error
        return _file_hash(self._path)

    def keep(self, key: str) -> None:
        """Keep the finished file under its hash; the same bars twice are one file."""
        kept = self._store.path(key)
        try:
            os.link(self._path, kept)
        except FileExistsError:
            return
        except OSError:
            self._keep_copy(kept)

    def _keep_copy(self, kept: Path) -> None:
        """Keep the file where the disk knows no hard links, such as exFAT: whole or not at all."""
        try:
            with written(kept) as copy:
                shutil.copyfile(self._path, copy)
        except OSError as error:
            raise _unwritable(self._store.folder, error) from error

    def groups(self) -> Iterator[pd.DataFrame]:
        """Yield the bars of the finished file in parts."""
        return _groups(self._path, list(BAR_COLUMNS))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._parquet.close()
        except OSError:
            return  # a full disk, which `add` has reported
        finally:
            self._file.close()


def _remove_abandoned(folder: Path) -> None:
    """Remove what a process that was killed has left; one that still writes is younger."""
    for path in folder.glob("*".join(TEMPORARY)):
        if time.time() - path.stat().st_mtime > ABANDONED_AFTER_S:
            path.unlink(missing_ok=True)


def _unwritable(folder: Path, error: Exception) -> StoreError:
    return StoreError(f"{folder} should be a folder one can write to. Found: {one_line(error)}.")


def _time_bytes(frame: pd.DataFrame) -> bytes:
    return pd.DatetimeIndex(frame["timestamp"]).as_unit("ns").asi8.astype("<i8").tobytes()


def _value_bytes(frame: pd.DataFrame) -> bytes:
    values = frame[list(BAR_COLUMNS[1:])].to_numpy(np.float64)
    values = np.where(np.isnan(values), np.nan, values) + 0.0  # one NaN, one zero
    return np.ascontiguousarray(values, "<f8").tobytes()


def _file_hash(path: Path) -> str:
    """Return the content hash of a file: first all times, then all values."""
    digest = hashlib.sha256()
    for frame in _groups(path, ["timestamp"]):
        digest.update(_time_bytes(frame))
    for frame in _groups(path, list(BAR_COLUMNS[1:])):
        digest.update(_value_bytes(frame))
    return digest.hexdigest()


def _groups(
    path: Path, columns: list[str], *, within: tuple[pd.Timestamp, pd.Timestamp] | None = None
) -> Iterator[pd.DataFrame]:
    """Yield some columns of a bars file, one row group at a time, or of the groups `within`."""
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                if within and not _touches(file.metadata.row_group(group), within):
                    continue
                frame = file.read_row_group(group, columns=columns).to_pandas()
                if list(frame) != columns:
                    raise StoreError(f"{path} should hold bars. Found other columns.")
                yield frame
    except FileNotFoundError as error:
        raise StoreError(
            f"The bars {path.stem[:12]} should be in {path.parent}. Found no such file; import "
            "them again."
        ) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise StoreError(f"{path} should hold bars. Found: {one_line(error)}.") from error


def _touches(group: pq.RowGroupMetaData, within: tuple[pd.Timestamp, pd.Timestamp]) -> bool:
    """Return whether a row group may hold times of an interval."""
    facts = group.column(0).statistics
    if facts is None or not facts.has_min_max:
        return True
    return bool(facts.min <= within[1] and facts.max >= within[0])
