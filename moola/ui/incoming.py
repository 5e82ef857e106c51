"""Where a file comes from: an upload, or a path on the machine that the app runs on."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from moola.exceptions import ImportRefused
from moola.workspace import Workspace

UPLOAD, PATH = "Upload a file", "A path on this machine"
FOLDER = ".incoming"
"""Uploads lie here until the next one; what an import keeps is kept elsewhere."""


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
        shutil.rmtree(workspace.root / FOLDER, ignore_errors=True)
        folder.mkdir(parents=True)
        partial = folder / ".partial"
        with partial.open("wb") as file:
            shutil.copyfileobj(given, file)
        partial.rename(path)
    return path


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
