"""Every figure of one run by its name, for reports and downloads, and one figure as a page."""

from __future__ import annotations

from html import escape
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from moola import diagnostics, epoch_parts, figures, figures_monitor
from moola.runs import RunFolder

STYLE_FILE = Path(__file__).with_name("report.css")
CLEAR = "rgba(0, 0, 0, 0)"
PNG_SCALE = 2


OF_EPOCHS = ("loss-shares", "gradient-shares", "skill", "raw-losses")
OF_PREDICTIONS = ("types", "countdown-error")


def names_of(run: RunFolder) -> tuple[str, ...]:
    """Return the names of a run's figures; some are drawn of predictions only."""
    has_predicted = (run.path / "predictions.parquet").exists()
    return OF_EPOCHS + (OF_PREDICTIONS if has_predicted else ())


def figures_of(run: RunFolder) -> dict[str, go.Figure]:
    """Return the figures of a run by their names."""
    history = run.history()
    epochs = run.status().epochs or (history[-1]["epoch"] if history else 1)
    rows = diagnostics.thinned(history)
    made = [
        epoch_parts.drawn(figures_monitor.loss_shares(rows, epochs=epochs)),
        epoch_parts.drawn(figures_monitor.gradient_shares(rows, epochs=epochs)),
        epoch_parts.drawn(figures_monitor.skill(rows, epochs=epochs)),
        epoch_parts.drawn(figures_monitor.raw_losses(rows, epochs=epochs)),
    ]
    predictions = run.predictions()
    if predictions is not None:
        errors = diagnostics.window_errors(run.examples(), predictions)
        held_out = [error for error in errors if error.split == "val"]
        curves = diagnostics.curves_by_window(predictions)
        made += [
            figures.confusion_matrix(diagnostics.type_confusion(held_out)),
            figures.countdown_error(diagnostics.countdown_errors(held_out, curves)),
        ]
    return dict(zip(names_of(run), made, strict=True))


def title_of(name: str, run: RunFolder) -> str:
    """Return what a figure's own page is called.

    >>> title_of("loss-shares", RunFolder(Path("runs/20261125-130000-raw")))
    'Loss shares of 20261125-130000-raw'
    """
    return f"{name.replace('-', ' ').capitalize()} of {run.id}"


def figure_file(run: RunFolder, name: str) -> str:
    """Return one figure of a run as an HTML file that needs no network."""
    title = title_of(name, run)
    part = figure_part(figures_of(run)[name], f"{run.id}-{name}")
    return page(title, f"<h1>{escape(title)}</h1>\n{part}")


def figure_part(figure: go.Figure, name: str) -> str:
    """Return a figure as a part of a page that holds plotly; the page's style sheet colours it."""
    shown = go.Figure(figure)
    shown.update_layout(
        template="plotly_white", paper_bgcolor=CLEAR, plot_bgcolor=CLEAR,
        font={"family": "system-ui, sans-serif"}, autosize=True, width=None,
    )  # fmt: skip
    return shown.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"figure-{name}",
        config=camera(name) | {"responsive": True},
    )


def camera(name: str) -> dict[str, object]:
    """Return plotly's options for one button only, which saves the figure as ``<name>.png``."""
    return {
        "displayModeBar": "hover",
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "png", "filename": name, "scale": PNG_SCALE},
    }


def page(title: str, body: str) -> str:
    """Return an HTML page with plotly and the style sheet inside it."""
    style = STYLE_FILE.read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n"
        f"<script>{get_plotlyjs()}</script>\n</head><body>\n{body}\n</body></html>\n"
    )
