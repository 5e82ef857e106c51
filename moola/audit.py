"""Which labels are worth a second look: out-of-fold suspects, ranked by one score a span.

``suspects(run, people)`` ranks the windows that a run has not trained on. The score adds what two
independent judges hold against a label: minus the log posterior of the labelled span under the
model, and minus the log-odds of its bars' shape (`moola.span_shapes`). A label that the model finds
likely is no suspect, however far its own best guess lies. Nothing here changes a label: windows are
sent to the desk, where a person decides.

The posterior is that of `moola.decode`, made of what predictions keep of it: its edges, of which
each leads the other in turn. With a product of independent edges in its place (`make bench-audit`,
three seeds of 17 wrong labels) the first fifth of the list held as many of them, 98 %, and the mean
average precision was 0.77 instead of 0.85: lower in two seeds, higher by 0.02 in the third.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola import second_look
from moola.atomic import write_json
from moola.calibration import fit_calibration
from moola.comparing import People
from moola.decode import led_by_edges, span_posterior, span_scores
from moola.diagnostics import EDGE_COLUMNS, WindowError
from moola.examples import NO_SPAN, Examples
from moola.exceptions import RunError
from moola.length_prior import LEAST, fit_length_prior
from moola.metrics import TOLERANCE_BARS
from moola.review_tables import readings
from moola.runs import RunFolder
from moola.schema import WINDOW_LENGTH
from moola.second_look import is_person
from moola.span_shapes import shape_log_odds
from moola.store import Judgement

Floats = NDArray[np.float64]
OOF_FILE = "oof.parquet"
REPEAT = "repeat"
SENT_FILE = "audit.json"
LEAST_CHANCE = 1e-3
"""A posterior below says no more than this: a model that is too sure says 1e-9 just as easily."""
HASTY_S = 0.6
ODD_SHARE = 0.1
"""A shape among the oddest tenth of the labels is worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A window whose label is doubtful, and why."""

    window_uid: str
    score: float
    posterior: float
    """Of the labelled span, both edges within 3 bars, or of "no span" where none is labelled."""
    shape: float
    """Log-odds of the span's bars; 0 where none is labelled."""
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Why, in one line."""
        return "; ".join(self.reasons)


def suspects(run: RunFolder, people: People | None = None) -> list[Suspect]:
    """Return the windows that the run did not train on, the most doubtful label first."""
    examples, table = run.examples(), run.predictions()
    if table is None:
        raise RunError(f"Run {run.id} should hold predictions to audit labels by. Found none.")
    path = run.path / OOF_FILE
    every = pd.read_parquet(path) if path.exists() else table
    return rank(examples, table, every, people)


def rank(
    examples: Examples,
    table: pd.DataFrame,
    every: pd.DataFrame | None = None,
    people: People | None = None,
) -> list[Suspect]:
    """Return suspects of examples and their out-of-fold predictions, most doubtful first.

    Parameters
    ----------
    table
        The predictions that reasons are worded by; rows of training windows are left out.
    every
        The same of several repeats, told apart by ``repeat``: the posterior is their mean.
    """
    held_out = table.loc[table["split"] == "val"]
    if held_out.empty:
        return []
    posterior, n_repeats = _posterior(examples, held_out if every is None else every)
    shape = _shapes(examples)
    odd = float(np.quantile(list(shape.values()) or [0.0], ODD_SHARE))
    found = []
    for reading in readings(examples, held_out):
        uid, error = reading.window_uid, reading.error
        own = shape.get((uid, error.start), 0.0)
        chance = posterior[uid, error.start]
        reasons = [
            *_model_words(error, reading.p_no_span),
            *(["its bars look unlike the other labels"] if error.is_labelled and own < odd else []),
            *([f"mean of {n_repeats} models"] if n_repeats > 1 else []),
            *_people_words(uid, people),
        ]
        score = -float(np.log(max(chance, LEAST_CHANCE))) - own
        found.append(
            Suspect(
                window_uid=uid, score=score, posterior=chance, shape=own, reasons=tuple(reasons)
            )
        )
    return sorted(found, key=lambda item: (-item.score, item.window_uid))


def _shapes(examples: Examples) -> dict[tuple[str, int], float]:
    """Return the log-odds of the shape of every labelled span, by window and first bar."""
    odds = shape_log_odds(examples)
    return {
        (str(examples.window_uid[row]), int(examples.start[row])): float(odds[row])
        for row in np.flatnonzero(examples.has_span).tolist()
    }


def _posterior(examples: Examples, table: pd.DataFrame) -> tuple[dict[tuple[str, int], float], int]:
    """Return the posterior of every label, by window and first bar; the mean over repeats."""
    parts = [table] if REPEAT not in table else [part for _, part in table.groupby(REPEAT)]
    labels = {
        (str(uid), int(start)): int(end)
        for uid, start, end in zip(examples.window_uid, examples.start, examples.end, strict=True)
    }
    total: dict[tuple[str, int], list[float]] = {}
    for part in parts:
        grid = _Grid(examples, part)
        for (uid, start), end in labels.items():
            if uid in grid.row:
                total.setdefault((uid, start), []).append(grid.mass(uid, start, end))
    return {key: float(np.mean(values)) for key, values in total.items()}, len(parts)


class _Grid:
    """The posterior of a run over the spans of each window."""

    def __init__(self, examples: Examples, table: pd.DataFrame) -> None:
        table = table.sort_values(["window_uid", "bar"])
        first = table.iloc[::WINDOW_LENGTH]
        self.row = {uid: row for row, uid in enumerate(first["window_uid"].astype(str))}
        self._none = first["p_no_span"].to_numpy(float)
        labelled = examples.has_span
        lengths = (examples.end - examples.start + 1)[labelled]
        self._prior = fit_length_prior(lengths, int((~labelled).sum()))
        if all(name in table and bool(table[name].notna().all()) for name in EDGE_COLUMNS):
            edges = np.stack([_by_window(table, name) for name in EDGE_COLUMNS], axis=1)
            total = np.maximum(edges.sum(axis=2, keepdims=True), LEAST)
            self._edges = np.maximum(edges / total, LEAST)
        else:
            self._edges = None
            self._cells, self._none = self._of_logits(examples, _by_window(table, "binary_logit"))

    def _of_logits(self, examples: Examples, logits: Floats) -> tuple[Floats, Floats]:
        """Return (W, 105, 105) posterior of every span and (W,) that of none."""
        if not np.isfinite(logits).all():
            raise RunError(
                "An audit needs per-bar probabilities. Found a run without a binary head."
            )
        of_uid = {str(uid): row for row, uid in enumerate(examples.window_uid)}
        rows = np.array([of_uid[uid] for uid in self.row])
        fitted = fit_calibration(logits, examples.start[rows], examples.end[rows], self._prior)
        return span_posterior(span_scores(logits, None), slice(None), self._prior, fitted)

    def mass(self, uid: str, start: int, end: int) -> float:
        """Return the posterior that both edges lie within the tolerance of a label's."""
        row = self.row[uid]
        if start == NO_SPAN:
            return float(self._none[row])
        near = [
            slice(max(0, bar - TOLERANCE_BARS), bar + TOLERANCE_BARS + 1) for bar in (start, end)
        ]
        if self._edges is None:
            return float(self._cells[row][near[0], near[1]].sum())
        (cells,) = led_by_edges(self._edges[row : row + 1], self._prior)
        return float(cells[near[0], near[1]].sum() * (1 - self._none[row]))


def _by_window(table: pd.DataFrame, name: str) -> Floats:
    """Return (W, 105) values of a table's bars."""
    return table[name].to_numpy(float).reshape(-1, WINDOW_LENGTH)


def _model_words(error: WindowError, p_no_span: float) -> list[str]:
    """Return what the model says against a label."""
    if error.predicted_start == NO_SPAN:
        return [] if not error.is_labelled else [f"model sees no span (P {p_no_span:.2f})"]
    sure = f"at {error.confidence:.2f} confidence"
    if not error.is_labelled:
        place = f"{error.predicted_start}–{error.predicted_end}"
        return [f"labelled empty, model sees {place} {sure}"]
    if error.outcome == "hit":
        return ["model agrees"]
    off = error.predicted_start - error.start
    if abs(off) > TOLERANCE_BARS:
        return [f"model {_bars(off)} {sure}"]
    return [f"model ends {_bars(error.predicted_end - error.end)} {sure}"]


def _bars(off: int) -> str:
    n_bars = abs(off)
    return f"{n_bars} {'bar' if n_bars == 1 else 'bars'} {'later' if off > 0 else 'earlier'}"


def _people_words(uid: str, people: People | None) -> list[str]:
    if people is None:
        return []
    found = []
    if differing := people.differences(uid):
        found.append(f"two annotators disagree: {', '.join(differing)}")
    for layer, item in people.by_window.get(uid, {}).items():
        if is_person(layer) and item.seconds is not None and item.seconds < HASTY_S:
            found.append(f"decided in {item.seconds:.1f} s")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Windows that were sent to the desk for a second look, in the order of their suspicion."""

    sent_at: str
    blind: bool
    windows: Mapping[str, str]
    """Reason by window, most doubtful first."""


def send(run: RunFolder, found: Iterable[Suspect], *, blind: bool) -> Sent:
    """Put suspects into the desk's queue ``audit``, in place of those sent before."""
    sent = Sent(
        sent_at=datetime.now(UTC).isoformat(),  # to the microsecond: a decision may follow at once
        blind=blind,
        windows={item.window_uid: item.reason for item in found},
    )
    write_json(run.path / SENT_FILE, asdict(sent))
    return sent


def read_sent(run_folder: Path) -> Sent | None:
    """Return what was sent of a run, or None."""
    try:
        return Sent(**json.loads((run_folder / SENT_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"Run {run_folder.name}: {SENT_FILE} should hold suspects. Found: {error!r}."
        ) from error


@dataclass(frozen=True, slots=True)
class Look:
    """A second look at a window that was sent."""

    agrees: bool | None
    """Whether a blind judgement says what the label said; None where nothing was hidden."""
    words: str


def looked_at(sent: Sent, judgements: Iterable[Judgement]) -> dict[str, Look]:
    """Return the windows that somebody has judged since they were sent."""
    moment = datetime.fromisoformat(sent.sent_at)
    by_window: dict[str, list[Judgement]] = {}
    for item in judgements:
        if item.window_uid in sent.windows:
            by_window.setdefault(item.window_uid, []).append(item)
    found = {}
    for uid, items in by_window.items():
        since = [item for item in items if item.updated_at >= moment]
        if since:
            found[uid] = _look(since, items)
    return found


def _look(since: Sequence[Judgement], items: Sequence[Judgement]) -> Look:
    """Return what a blind judgement differs in from the label that stood before it."""
    blind = next((item for item in since if item.mode in ("blind", "repeat")), None)
    before = [item for item in items if is_person(item.layer) and item is not blind]
    if blind is None or not before:
        return Look(None, "looked at")
    differing = second_look.differences(before[0], blind)
    return Look(not differing, ", ".join(differing) or "judged as before")
