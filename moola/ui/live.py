"""The line that keeps a page up to date: it waits for news in the browser and has the page redrawn.

It shows how far the chosen run is and how long ago it gave a sign of life; both go on by themselves
between two drawings. A tab in the background waits for nothing.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from streamlit.components.v2 import component

from moola.run_news import News

REDRAW_MS = 2000
"""Least time between two drawings for new rows. States and judgement never wait."""

_HERE = Path(__file__).parent
_mount = component(
    "moola_live",
    html='<div class="live" data-testid="live"></div>',
    css=(_HERE / "live.css").read_text(encoding="utf-8"),
    js=(_HERE / "live.js").read_text(encoding="utf-8"),
)


def mount(news: News, *, run_id: str | None, key: str, redraw_ms: int = REDRAW_MS) -> None:
    """Draw the line for `news`; the fragment that holds it runs again when there is other news."""
    _mount(
        key=key,
        data={
            "run": run_id,
            "states": news.states,
            "rows": news.rows,
            "judged": news.judged,
            "pulse": news.pulse and asdict(news.pulse),
            "redraw_ms": redraw_ms,
        },
        on_news_change=lambda: None,  # the fragment runs, which is all that is wanted
    )
