"""Write a workspace of generated bars and labels, so that every page has something to show.

``python -m moola sample`` calls `write_sample`; the same seed writes the same bars and labels.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from moola.atomic import write_json
from moola.bars import BarStore, content_hash
from moola.cuts import cut_windows
from moola.exceptions import StoreError
from moola.importing import import_bars
from moola.label_file import LabelRow, write_label_file
from moola.label_import import import_labels
from moola.store import LabelStore
from moola.synthetic import generate_bars
from moola.tables import write_parquet
from moola.workspace import Workspace

DEFAULT_SEED = 7
N_UNLABELLED_BARS = 10_000
UNLABELLED = "SAMPLE-U"
LABELLED = "SAMPLE-L"
LABELLED_FIRST_BAR = "2001-01-28 23:00"
"""Two weeks after the unlabelled bars end: no minute is in both feeds."""

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Sample:
    """Generated bars without labels, and labelled windows with the feed they were cut from."""

    unlabelled: pd.DataFrame
    labelled: pd.DataFrame
    rows: list[LabelRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleReport:
    """What a sample workspace holds; the marker file is this record as JSON."""

    seed: int
    series: tuple[str, ...]
    n_bars: int
    n_windows: int
    already_there: bool = False

    def __str__(self) -> str:
        done = "is there already and stays as it is" if self.already_there else "is written"
        return (
            f"The sample of seed {self.seed} {done}: {self.n_bars:,} generated bars "
            f"({', '.join(self.series)}) and {self.n_windows} labelled windows."
        )


def build_sample(seed: int) -> Sample:
    """Generate 10,000 unlabelled bars and 174 labelled windows, equal for equal seeds."""
    unlabelled = generate_bars(N_UNLABELLED_BARS, seed=seed).frame
    n_bars = 26_000
    while True:
        # Another seed for the second feed: with the same one both would begin with equal moves.
        feed = generate_bars(n_bars, seed=seed + 1_000_003, first_bar=LABELLED_FIRST_BAR)
        rows = cut_windows(feed, seed=seed)
        if rows is not None:
            return Sample(unlabelled, feed.frame, rows)
        n_bars += 4_000  # a rare seed places the events too densely to cut enough windows


def write_sample(
    workspace: Workspace,
    store: LabelStore,
    bar_store: BarStore,
    *,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
) -> SampleReport:
    """Write the sample's files and import them; a second call changes nothing.

    Parameters
    ----------
    progress
        Called with a few words at the start of each step.

    Raises
    ------
    StoreError
        If the workspace holds another sample, or bars or labels that are no sample: neither is
        ever overwritten.
    """
    tell = progress or (lambda _step: None)
    marker = read_marker(workspace)
    there = {series.series_id for series in store.series()}
    if marker and marker.seed != seed:
        raise _occupied(workspace, f"the sample of seed {marker.seed}")
    if marker and there >= set(marker.series):
        return replace(marker, already_there=True)

    tell("Generating bars")
    sample = build_sample(seed)
    if foreign := sorted(there - set(_series_ids(sample))):
        raise _occupied(workspace, f"the series {foreign[0]}")
    tell("Writing files")
    _write_files(workspace, sample, keep=marker is not None)
    for symbol in (UNLABELLED, LABELLED):
        tell(f"Importing {symbol}")
        import_bars(_raw_file(workspace, symbol), store, bar_store, name=symbol)
    tell(f"Importing {workspace.label_file.name}")
    import_labels(workspace.label_file, store, bar_store)
    report = SampleReport(
        seed=seed,
        series=_series_ids(sample),
        n_bars=len(sample.unlabelled) + len(sample.labelled),
        n_windows=len(sample.rows),
    )
    _write_marker(workspace, report)
    return report


def read_marker(workspace: Workspace) -> SampleReport | None:
    """Return what the workspace's sample holds, or None if its bars are not generated ones."""
    path = workspace.sample_marker
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return SampleReport(
            seed=int(values["seed"]),
            series=tuple(values["series"]),
            n_bars=int(values["n_bars"]),
            n_windows=int(values["n_windows"]),
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} should describe the sample. Found: {error}.") from error


def _write_marker(workspace: Workspace, report: SampleReport) -> None:
    values = {**asdict(report), "generated": True}
    del values["already_there"]
    try:
        write_json(workspace.sample_marker, values)
    except OSError as error:
        raise _unwritable(workspace, error) from error


def _series_ids(sample: Sample) -> tuple[str, ...]:
    feeds = ((UNLABELLED, sample.unlabelled), (LABELLED, sample.labelled))
    return tuple(f"{symbol}-{content_hash(frame)[:8]}" for symbol, frame in feeds)


def _raw_file(workspace: Workspace, symbol: str) -> Path:
    return workspace.root / "raw" / f"{symbol}.parquet"


def _write_files(workspace: Workspace, sample: Sample, *, keep: bool) -> None:
    """Write bars and labels; a file that is there stays, and must be the sample's unless `keep`.

    All are written aside and compared first, so that a refusal leaves nothing behind.
    """
    targets = [_raw_file(workspace, UNLABELLED), _raw_file(workspace, LABELLED)]
    targets.append(workspace.label_file)
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".sample-", dir=workspace.root) as folder:
            aside = [Path(folder) / path.name for path in targets]
            for frame, path in zip((sample.unlabelled, sample.labelled), aside, strict=False):
                write_parquet(pa.Table.from_pandas(frame, preserve_index=False), path)
            write_label_file(aside[2], sample.rows)
            for new, path in zip(aside, targets, strict=True):
                if path.exists() and not keep and path.read_bytes() != new.read_bytes():
                    raise _occupied(workspace, str(path.relative_to(workspace.root)))
            for new, path in zip(aside, targets, strict=True):
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(new, path)
    except OSError as error:
        raise _unwritable(workspace, error) from error


def _unwritable(workspace: Workspace, error: OSError) -> StoreError:
    return StoreError(
        f"{workspace.root} should be a folder one can write to. Found: {error.strerror}."
    )


def _occupied(workspace: Workspace, found: str) -> StoreError:
    return StoreError(
        f"A sample needs a workspace of its own. Found {found} in {workspace.root}; choose another "
        "folder with --workspace."
    )
