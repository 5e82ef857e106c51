"""Open a file as bytes or text, whether plain, gzip, zstd or zip, and look at its head."""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from moola.exceptions import ImportRefused, MoolaError
from moola.tables import GZIP_MAGIC, one_line
from moola.vendors.answers import Progress

HEAD_BYTES = 1 << 17
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
PACKED_SUFFIXES = (".gz", ".zst", ".zip")
READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    pa.ArrowException,
)
"""What a damaged or locked file raises in the readers of the packings."""


@dataclass(frozen=True, slots=True)
class Source:
    """One stream of bytes: a file, or a member of a zip archive."""

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """Name of the file, or of the member inside an archive."""
        return self.member.rsplit("/", 1)[-1] if self.member else self.path.name

    @property
    def stem(self) -> str:
        """The name without the suffixes of packing and format."""
        return stem(self.name)

    @contextmanager
    def open(self, progress: Progress | None = None) -> Iterator[IO[bytes]]:
        """Open the unpacked bytes; errors of packing and disk become `ImportRefused`."""
        with readable(self.path), self.path.open("rb") as file:
            raw = _Watched(file, self.path.stat().st_size, progress) if progress else file
            with _unpacked(raw, self.member) as unpacked:
                yield unpacked

    @contextmanager
    def open_text(self, progress: Progress | None = None) -> Iterator[IO[str]]:
        """Open the unpacked text, in UTF-8 or, if its first bytes say so, UTF-16."""
        with self.open() as file:
            is_wide = file.read(2) in UTF16_MARKS
        encoding = "utf-16" if is_wide else "utf-8-sig"
        with self.open(progress) as file:
            yield io.TextIOWrapper(file, encoding=encoding, newline="")

    def head(self, n_bytes: int = HEAD_BYTES) -> bytes:
        """Return the first unpacked bytes."""
        with self.open() as file:
            head = file.read(n_bytes)
        if not head:
            raise ImportRefused(f"{self.name} should hold bars. Found an empty file.")
        return head


def open_sources(path: Path) -> list[Source]:
    """Return the streams of a file: itself, or each member of a zip archive that may hold bars."""
    with readable(path), path.open("rb") as file:
        is_zip = file.read(4) in ZIP_MAGICS
    if not is_zip:
        return [Source(path)]
    with readable(path), zipfile.ZipFile(path) as archive:
        names = [item.filename for item in archive.infolist() if item.file_size > 0]
    names = [name for name in names if not Path(name).name.startswith((".", "__"))]
    # HistData packs a report on gaps as .txt beside the bars
    tables = [name for name in names if not name.lower().endswith((".txt", ".md", ".pdf"))]
    if not names:
        raise ImportRefused(f"{path.name} should hold a file of bars. Found an empty archive.")
    return [Source(path, name) for name in tables or names]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what a damaged, locked or missing file raises into one sentence."""
    try:
        yield
    except MoolaError:
        raise
    except READ_ERRORS as error:
        raise ImportRefused(
            f"{path.name} should be a file one can read. Found: {one_line(error)}."
        ) from error


def stem(name: str) -> str:
    """Return a file's name without the suffixes of packing and format.

    >>> stem("NQ_1min.csv.gz")
    'NQ_1min'
    """
    for suffix in PACKED_SUFFIXES:
        name = name.removesuffix(suffix)
    return Path(name).stem


class _Watched(io.RawIOBase):
    """A file that tells how much of it has been read."""

    def __init__(self, file: IO[bytes], size: int, progress: Progress) -> None:
        self._file, self._size, self._progress = file, max(size, 1), progress

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: memoryview, /) -> int:  # pyright: ignore
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._progress(min(self._file.tell() / self._size, 1.0))
        return len(data)


@contextmanager
def _unpacked(raw: IO[bytes] | _Watched, member: str | None) -> Iterator[IO[bytes]]:
    file: IO[bytes] = io.BufferedReader(raw, 1 << 18) if isinstance(raw, _Watched) else raw
    if member is not None:
        with zipfile.ZipFile(file) as archive, archive.open(member) as inner:
            yield inner
        return
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == GZIP_MAGIC:
        with gzip.GzipFile(fileobj=file) as unzipped:
            yield io.BufferedReader(unzipped, 1 << 18)  # pyright: ignore[reportArgumentType]
    elif magic == ZSTD_MAGIC:
        with pa.CompressedInputStream(file, "zstd") as unpacked:
            yield io.BufferedReader(unpacked, 1 << 18)
    else:
        yield file
