"""What a person says of a run: a title, a note, a star; never read by the training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

ABOUT_FILE = "about.json"
MAX_TITLE, MAX_NOTE = 80, 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Words for a run; all of them may be missing."""

    title: str = ""
    note: str = ""
    starred: bool = False


def read_about(folder: Path) -> About:
    """Return what ``about.json`` says; a file that is absent or damaged says nothing.

    A run must stay usable without the words for it, so nothing here is an error.
    """
    try:
        stored = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return About()
    if not isinstance(stored, dict):
        return About()
    return About(
        title=" ".join(str(stored.get("title") or "").split())[:MAX_TITLE],
        note=str(stored.get("note") or "")[:MAX_NOTE],
        starred=stored.get("starred") is True,
    )
