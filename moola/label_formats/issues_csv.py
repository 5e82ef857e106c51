"""A table of doubtful labels, as CleanLab finds them: each named window wants a second look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from moola.exceptions import RefusedRow, SchemaError
from moola.label_formats._base import LabelFile, Reader, WindowRecord, as_clause, text_name
from moola.label_formats.text import header, one_of, read_csv

ISSUE = ("is_label_issue", "is_issue")
SCORE = ("label_score", "label_quality", "label_quality_score")
GIVEN = ("given_label", "label")
SUGGESTED = ("predicted_label", "suggested_label")
YES, NO = {"true", "1", "yes"}, {"false", "0", "no"}


def recognises(path: Path) -> bool:
    """Return whether the header names windows and says whether their label is an issue."""
    names = header(path)
    return "window_id" in names and one_of(names, ISSUE) is not None


def read(path: Path) -> LabelFile:
    """Read the rows that are issues as flagged windows; the others say nothing."""
    rows = read_csv(path)
    windows: list[WindowRecord] = []
    refused: list[RefusedRow] = []
    for number, row in enumerate(rows, start=1):
        try:
            windows += _window(number, row)
        except SchemaError as error:
            refused.append(RefusedRow(number, as_clause(error)))
    n_fine = len(rows) - len(windows) - len(refused)
    told = (f"{n_fine:,} rows are no issue and change nothing",) if n_fine else ()
    return LabelFile(
        format="issues",
        files=(path,),
        n_rows=len(rows),
        windows=tuple(windows),
        refused=tuple(refused),
        repaired=told,
    )


def _window(number: int, row: Mapping[str, str]) -> list[WindowRecord]:
    name = text_name(row["window_id"])
    column = next(name for name in ISSUE if name in row)
    answer = row[column].strip().lower()
    if answer not in YES | NO:
        raise SchemaError(f"{column} should be true or false. Found {row[column]!r}")
    if answer in NO:
        return []
    score, given, suggested = (one_of(row, names) for names in (SCORE, GIVEN, SUGGESTED))
    parts = ["label issue"]
    parts += [f"{row[given]} given"] if given and row[given] else []
    parts += [f"{row[suggested]} suggested"] if suggested and row[suggested] else []
    parts += [f"score {row[score]}"] if score and row[score] else []
    return [WindowRecord(row=number, name=name, state="flagged", note=", ".join(parts))]


READER = Reader(
    key="issues", title="label issues of CleanLab (CSV)", recognises=recognises, read=read
)
