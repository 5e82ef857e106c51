"""The Data page's export: labels in a format of other tools, and releases that never change."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import streamlit as st

from moola import exports, releases
from moola.store import LOCAL, LabelStore
from moola.ui import cache, components, state
from moola.workspace import Workspace

FOLDER = "exports"
ALL = "all series"
STANDING_NAME = "all people: adjudicated, else the only one, else agreed"


def draw(workspace: Workspace) -> None:
    """Draw the section."""
    store = cache.store(workspace.store_url)
    state.show_notice()
    with st.container(border=True), components.problems():
        st.markdown("##### Export")
        _export(workspace, store)
    with st.container(border=True), components.problems():
        st.markdown("##### Releases")
        _releases(workspace, store)


def _export(workspace: Workspace, store: LabelStore) -> None:
    left, middle, right = st.columns(3)
    key = left.selectbox(
        "Format",
        list(exports.FORMATS),
        format_func=lambda name: exports.FORMATS[name],
        key="export_format",
    )
    layer = middle.selectbox(
        "Whose labels",
        _layers(store),
        format_func=lambda name: STANDING_NAME if name == exports.STANDING else name,
        key="export_layer",
        disabled=key == exports.EVENTS,
    )
    feeds = [item.series_id for item in store.series() if item.kind == "feed"]
    series = right.selectbox(
        "Series", [ALL, *feeds], key="export_series", disabled=key == exports.EVENTS
    )
    path = workspace.root / FOLDER / _file_name(key, layer, series)
    chosen = (key, layer, series, store.version())
    if st.button("Write it", type="primary", key="export_write"):
        report = exports.export(
            key,
            path,
            store,
            cache.bar_store(workspace.bars_dir),
            layer=layer,
            series=None if series == ALL else series,
        )
        st.session_state["export_done"] = (chosen, str(path), report.n_rows, report.notes)
    done = st.session_state.get("export_done")
    if done and done[0] == chosen:
        _offer(key, Path(done[1]), done[2], done[3])


def _file_name(key: str, layer: str, series: str) -> str:
    """Return a name of its own for each choice: two tabs must not write over one another."""
    parts = ["moola", key.replace("-", "_")]
    if key != exports.EVENTS:
        parts += [quote(layer, safe="")] if layer != LOCAL else []
        parts += [quote(series, safe="")] if series != ALL else []
    return "_".join(parts) + exports.SUFFIXES[key]


def _offer(key: str, path: Path, n_rows: int, notes: tuple[str, ...]) -> None:
    """Say what was written and let the browser have it."""
    noun = "event" if key == exports.EVENTS else "window"
    st.markdown(f":green[:material/check_circle:] {components.counted(n_rows, noun)}: `{path}`")
    for note in notes:
        st.caption(note[0].upper() + note[1:] + ".")
    files = _files(path)
    name = path.name if files == [path] else f"{path.stem}.zip"
    st.download_button(
        f"Download {name}",
        partial(_content, path),  # read when it is asked for, not at every rerun
        file_name=name,
        icon=":material/download:",
        key="export_download",
        on_click="ignore",
    )


def _files(path: Path) -> list[Path]:
    """Return the files of an export: of a folder all, else the file and another of its name."""
    if path.is_dir():
        return sorted(path.iterdir())
    setup = path.with_suffix(".xml")  # what Label Studio needs beside its tasks
    return [path, setup] if setup.exists() else [path]


def _content(path: Path) -> bytes:
    """Return what to download; several files come as a zip."""
    files = _files(path)
    if files == [path]:
        return path.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"{path.stem}/{file.name}")
    return packed.getvalue()


def _releases(workspace: Workspace, store: LabelStore) -> None:
    known = store.releases()
    if known:
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "name": item.name,
                        "windows": item.manifest["counts"]["windows"],
                        "spans": item.manifest["counts"]["spans"],
                        "groups": item.manifest["counts"]["groups"],
                        "labels of": item.manifest["layer"],
                        "made": item.created_at.strftime("%Y-%m-%d %H:%M UTC"),
                        "hash": item.release_id[:12],
                    }
                    for item in known
                ]
            ),
            hide_index=True,
        )
    st.caption(
        "A release is a dataset with a name and a hash. It never changes, and a run that is "
        "fine-tuned on it can be repeated for ever, whatever becomes of the labels."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Name of a new release", key="release_name", placeholder="nq-2022-01")
        st.selectbox(
            "Labels of",
            [exports.STANDING, *[name for name in _layers(store) if name != exports.STANDING]],
            format_func=lambda name: STANDING_NAME if name == exports.STANDING else name,
            key="release_layer",
        )
        st.button(
            "Make release",
            key="release_make",
            on_click=_make,
            args=(workspace,),
        )


def _make(workspace: Workspace) -> None:
    with state.reporting():
        made = releases.make_release(
            st.session_state["release_name"].strip(),
            cache.store(workspace.store_url),
            cache.bar_store(workspace.bars_dir),
            folder=workspace.releases_dir,
            layer=st.session_state["release_layer"],
        )
        state.say(f"Release {made.name} made, hash {made.release_id[:12]}", timed=False)


def _layers(store: LabelStore) -> list[str]:
    return list(dict.fromkeys([state.annotator(), LOCAL, *store.layers(), exports.STANDING]))
