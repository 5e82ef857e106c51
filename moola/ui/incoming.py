"""Where a file comes from: an upload, or a path on the machine that the app runs on."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from moola import fetching
from moola.atomic import written
from moola.exceptions import ConfigError, ImportRefused
from moola.ui import jobs, state
from moola.vendors import Answers
from moola.workspace import Workspace

UPLOAD, PATH, YAHOO = "Upload", "Path on this machine", "Yahoo"
FOLDER = ".incoming"
"""Uploads lie here for a day; what an import keeps is kept elsewhere."""
KEPT_S = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """A file to import, and what is known of it beside what it says itself."""

    path: Path
    answers: Answers = Answers()
    name: str | None = None
    zone: str | None = None


def sources() -> list[str]:
    """Return where bars can come from; Yahoo only with its optional package."""
    has_yahoo = importlib.util.find_spec("yfinance") is not None
    return [UPLOAD, PATH, *([YAHOO] if has_yahoo else [])]


def file_id(path: Path) -> str:
    """Return an id of a file as it is now: a file that has changed is another one."""
    facts = path.stat()
    text = f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}"
    return hashlib.sha1(text.encode()).hexdigest()[:12]


def size_text(n_bytes: int) -> str:
    """Return a size as a reader would say it.

    >>> size_text(871_830), size_text(260)
    ('872 kB', '260 B')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes} B"


def upload(workspace: Workspace, *, key: str, types: Sequence[str] | None = None) -> Path | None:
    """Draw the place to drop a file; return where it was laid down."""
    given = st.file_uploader("File", type=types, key=key, label_visibility="collapsed")
    if given is None:
        return None
    folder = workspace.root / FOLDER / given.file_id
    path = folder / Path(given.name).name
    if not path.exists():
        _remove_old(workspace.root / FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        with written(path) as partial, partial.open("wb") as file:
            shutil.copyfileobj(given, file)
    return path


def _remove_old(folder: Path) -> None:
    """Remove the uploads of other days; a younger one may be in work in another tab."""
    for upload in folder.glob("*"):
        if time.time() - upload.stat().st_mtime > KEPT_S:
            shutil.rmtree(upload, ignore_errors=True)


def path_on_machine(*, key: str, placeholder: str) -> Path | None:
    """Draw the field for a path; `ImportRefused` if there is no file to read."""
    text = st.text_input(
        "Path", key=key, placeholder=placeholder, label_visibility="collapsed"
    ).strip()
    if not text:
        return None
    path = Path(text.strip("'\"")).expanduser()
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise ImportRefused(f"{path} should be a file on this machine. Found {found} there.")
    return path


def fetched(workspace: Workspace, *, key: str) -> Incoming | None:
    """Draw what to fetch from Yahoo; return the file that it became."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Symbol", key=f"{key}_symbol", placeholder="NQ=F", help="As Yahoo names it", width=200
        )
        st.selectbox("Bars of", list(fetching.INTERVALS), key=f"{key}_interval", width=120)
        st.button(
            "Fetch",
            key=f"{key}_go",
            icon=":material/cloud_download:",
            on_click=partial(_fetch, workspace, key),
        )
    st.caption("Yahoo has minutes of the last 7 days and hours of the last two years.")
    job_key = st.session_state.get(f"{key}_job")
    job = jobs.begun(job_key).get(job_key) if job_key else None
    if job is None:
        return None
    found: fetching.Fetched = jobs.finish(job, "Fetching from Yahoo")
    return Incoming(
        path=found.path, answers=found.answers, name=found.symbol, zone=found.tz_exchange
    )


def _fetch(workspace: Workspace, key: str) -> None:
    """Fetch in a thread of its own: Yahoo may take its time."""
    symbol = str(st.session_state[f"{key}_symbol"]).strip()
    interval = str(st.session_state[f"{key}_interval"])
    with state.reporting():
        if not symbol:
            raise ConfigError("A symbol should be named, such as NQ=F. Found none.")
        job_key = f"fetch|{workspace.root.resolve()}|{symbol}|{interval}"
        jobs.forget(job_key)
        jobs.start(
            job_key,
            lambda _tell: fetching.fetch(symbol, interval=interval, folder=workspace.fetched_dir),
        )
        st.session_state[f"{key}_job"] = job_key
        state.clear_notice()
