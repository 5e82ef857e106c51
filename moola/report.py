"""A report of one run as a single HTML file: ``python -m moola report RUN --out FILE``.

It holds the facts, the verdicts and alerts with their causes, every figure with its hover, the
success table and the configuration. It needs no network, and is light or dark as the reader's
system is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from moola import evaluate
from moola.advice import BADGE_TONES, Advice, Badge
from moola.criteria import VERDICT_TONES, Criterion, targets_met
from moola.density import data_alert
from moola.exceptions import MoolaError
from moola.judging import judge_run
from moola.run_figures import figure_part, figures_of, page
from moola.runs import RunFolder, list_runs
from moola.schema import TASK_NAMES, Task


def as_html(run: RunFolder) -> str:
    """Return the report of `run` as it stands now."""
    # the epochs of a cross-validation are those of its folds, which have histories of their own
    of_epochs = [] if run.kind == "crossval" else [_verdicts(run), _figures(run)]
    parts = [_head(run), *of_epochs, _success(run), _configuration(run)]
    return page(f"Moola: {run.id}", "\n".join(parts))


def _head(run: RunFolder) -> str:
    status, resolved, config = run.status(), run.resolved(), run.config()
    counts = resolved.get("type_counts") or {}
    of_what, unit = (
        ("cross-validation", "fold") if run.kind == "crossval" else ("fine-tuning run", "epoch")
    )
    facts = {
        "State": f"{status.state}, {unit} {status.epoch} of {status.epochs}",
        "Started": status.started_at or "–",
        "Ended": status.ended_at or "–",
        "Balance": config.balance + (", guarded" if config.is_guarded else ""),
        "Seed": config.seed,
        "Device": resolved.get("device", config.device),
        "Training windows": resolved.get("n_train", "–"),
        "Held-out windows": resolved.get("n_val", "–"),
        "Types": ", ".join(f"{n} {name}" for name, n in counts.items()) or "–",
        "Data hash": str(resolved.get("data_hash", "–"))[:16],
    }
    cells = (f"<div><small>{escape(k)}</small><br>{escape(str(v))}</div>" for k, v in facts.items())
    message = f'<p class="bad">{escape(status.message)}</p>' if status.message else ""
    made = f"{datetime.now():%Y-%m-%d %H:%M}"
    return (
        f"<h1>{escape(run.id)}</h1>\n<small>Report of a {of_what}, made {made}</small>\n"
        f'{message}<div class="facts">{"".join(cells)}</div>'
    )


def _verdicts(run: RunFolder) -> str:
    badges, found, blind_spot = judge_run(run, list_runs(run.path.parent))
    empty = data_alert(run.history())
    if not badges:
        return "<h2>Who is heard</h2><p>No epoch has finished yet.</p>"
    words = " ".join(map(_badge, badges.items()))
    alerts = "".join(map(_alert, found)) or "<p>No alert.</p>"
    note = f'<p class="muted">{escape(blind_spot)}</p>' if blind_spot else ""
    data = f'<div class="alert warn">{escape(empty)}</div>' if empty else ""
    return f"<h2>Who is heard</h2>\n<p>{words}</p>\n{data}\n{alerts}\n{note}"


def _badge(item: tuple[Task, Badge]) -> str:
    task, badge = item
    word = badge.replace("_", " ").lower()
    return f'{TASK_NAMES[task]} <span class="badge {BADGE_TONES[badge]}">{word}</span>'


def _alert(advice: Advice) -> str:
    alert = advice.alert
    steps = "".join(f"<li>{escape(action.text)}</li>" for action in advice.actions)
    return (
        f'<div class="alert {alert.level}"><b>{TASK_NAMES[alert.task]}: '
        f"{alert.code.replace('_', ' ').lower()}</b> since epoch {alert.since_epoch}: "
        f"{escape(alert.evidence)}. {escape(advice.cause)}"
        f"{f'<ol>{steps}</ol>' if steps else ''}</div>"
    )


def _figures(run: RunFolder) -> str:
    try:
        found = figures_of(run)
    except MoolaError as error:
        return f'<h2>Figures</h2><p class="bad">{escape(str(error))}</p>'
    parts = (
        f"<div>{figure_part(figure, f'{run.id}-{name}')}</div>" for name, figure in found.items()
    )
    return f'<h2>Figures</h2>\n<div class="figures">{"".join(parts)}</div>'


def _success(run: RunFolder) -> str:
    lines = evaluate.read_success(run)
    if lines is None:
        lines = evaluate.evaluate_run(run)
    heads = ("Measure", "Verdict", "Reached", "Target", "95% interval", "Best constant", "Windows")
    table = _table(heads, map(_success_row, lines), n_texts=2)
    notes = "".join(
        f"<li><b>{line.name}</b>: {escape(line.note.replace('`', ''))}</li>"
        for line in lines
        if line.note
    )
    return f"<h2>{targets_met(lines)}</h2>\n{table}\n<ul>{notes}</ul>"


def _success_row(line: Criterion) -> list[str]:
    return [
        escape(line.name),
        f'<span class="badge {VERDICT_TONES[line.verdict]}">{line.verdict}</span>',
        f"<b>{line.show(line.value)}</b>",
        escape(line.target),
        "–" if line.low is None else f"{_bare(line, line.low)} – {_bare(line, line.high)}",
        line.show(line.floor),
        "–" if line.n_windows is None else f"{line.n_windows:,}",
    ]


def _bare(line: Criterion, number: float | None) -> str:
    return line.show(number).removesuffix(" bars")


def _configuration(run: RunFolder) -> str:
    versions = run.resolved().get("versions") or {}
    options = _table(("Option", "Value"), _pairs(run.config().to_dict()), n_texts=2)
    software = _table(("Package", "Version"), _pairs(versions), n_texts=2)
    return f'<h2>Configuration</h2>\n<div class="columns">{options}{software}</div>'


def _pairs(values: Mapping[str, Any]) -> Iterable[list[str]]:
    return ([escape(name), escape(str(value))] for name, value in values.items())


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, n_texts: int) -> str:
    """Return a table whose first `n_texts` columns are text and whose others are numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = ("" if i < n_texts else ' class="number"' for i in range(len(cells)))
        parts = (f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
        return f"<tr>{''.join(parts)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table>{line(heads, 'th')}{body}</table>"
