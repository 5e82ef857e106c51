"""Import bars step by step: what the file is, what it does not say, what it holds, the import."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from moola import figures_bars, importing, market_hours, vendors
from moola.bar_import import why_refused
from moola.exceptions import ImportRefused
from moola.ui import cache, components, incoming, jobs, state
from moola.ui.incoming import Incoming
from moola.ui.picker import Tone
from moola.vendors import Answers, Preview, Question, Recognition
from moola.workspace import Workspace

ZONE = "data_zone"
ZONES = [item.zone for item in market_hours.EXCHANGES]
WORDS = {
    "start": "the start of its bar",
    "end": "the end of its bar",
    "dmy": "day first",
    "mdy": "month first",
}
TITLES = {
    "tz": "Time zone of the stamps",
    "stamp": "A stamp is",
    "symbol": "Instrument",
    "bar": "Length of a bar",
    "date_order": "Dates are written",
}


def job_prefix(workspace: Workspace) -> str:
    """Return what the keys of this workspace's imports begin with."""
    return f"import|{workspace.root.resolve()}|"


@st.cache_resource(max_entries=16, show_spinner="Looking at the file")
def _recognise(path: Path, file_id: str) -> Recognition:
    if importing.holds_labels(path):
        raise ImportRefused(
            f"Bars should have time, open, high, low and close. Found labels in {path.name}: bring "
            "it in under Labels, above."
        )
    return vendors.recognise(path)


def draw(workspace: Workspace, given: Incoming) -> None:
    """Draw the steps for one file, as far as its questions are answered."""
    path, file_id = given.path, incoming.file_id(given.path)
    recognition = _recognise(path, file_id)
    _say_what_it_is(path, recognition)
    answers = _ask(recognition, given.answers, file_id)
    if answers is None:
        return
    likely = given.zone or _likely_zone(recognition, answers)
    zone = st.session_state.get(f"{ZONE}_{file_id}", likely)
    key = f"preview|{file_id}|{answers}|{zone}"
    job = jobs.start(
        key, lambda tell: vendors.preview(path, answers, tz_exchange=zone, progress=tell)
    )
    preview = jobs.finish(job, "Reading the file")
    _show(preview, zone or answers.tz or recognition.known.tz)
    name = given.name or vendors.default_name(path, recognition, answers)
    _offer_import(workspace, path, answers, preview, name=name, likely=likely)


def _say_what_it_is(path: Path, recognition: Recognition) -> None:
    size = incoming.size_text(path.stat().st_size)
    known = recognition.known
    said = [
        f"{name} **{value}**"
        for name, value in (
            ("instrument", known.symbol),
            ("bars of", known.bar),
            ("stamps in", known.tz),
            ("a stamp is", WORDS.get(known.stamp or "")),
            ("dates are", WORDS.get(known.date_order or "")),
        )
        if value
    ]
    lines = [f"{components.badge(recognition.title, 'live')} **{path.name}** :gray[{size}]"]
    if said:
        lines.append(f":small[Known without asking: {', '.join(said)}.]")
    lines += [f":small[:material/info: {note}]" for note in recognition.notes]
    st.markdown("  \n".join(lines))


def _ask(recognition: Recognition, known: Answers, file_id: str) -> Answers | None:
    """Draw the open questions; return the answers, None while one is open."""
    given: dict[str, Any] = {}
    questions = [item for item in recognition.questions if getattr(known, item.name) is None]
    if questions:
        st.markdown("**What the file does not say**")
    for question in questions:
        given[question.name] = _question(question, f"data_ask_{question.name}_{file_id}")
    if missing := [name for name, value in given.items() if not value]:
        st.caption(
            f"{components.counted(len(missing), 'answer')} to go; nothing is assumed meanwhile."
        )
        return None
    return replace(known, **given)


def _question(question: Question, key: str) -> str | None:
    title = f"**{TITLES[question.name]}**  \n:small[{question.text}]"
    hints = question.hints
    if question.name != "tz" and 0 < len(question.options) <= 4:
        return st.radio(
            title,
            question.options,
            index=None,
            format_func=lambda option: WORDS.get(option, option),
            captions=[hints.get(option, "") for option in question.options] if hints else None,
            key=key,
        )
    return st.selectbox(
        title,
        question.options,
        index=None,
        format_func=lambda option: f"{option} · {hints[option]}" if option in hints else option,
        placeholder="Choose, or write a zone such as Europe/Berlin"
        if question.name == "tz"
        else "Choose",
        accept_new_options=question.name == "tz",
        key=key,
        width=640,
    )


def _likely_zone(recognition: Recognition, answers: Answers) -> str | None:
    """Return the zone of the stamps, if it is that of an exchange; others stay open."""
    own = answers.tz or recognition.known.tz
    return own if own in ZONES else None


def _zone_picker(file_id: str, likely: str | None) -> str | None:
    """Draw the exchange's clock; it is for market hours only and never moves a stamp."""
    options = [None, *ZONES, market_hours.AROUND_THE_CLOCK]
    if likely not in options:
        options.insert(1, likely)
    return st.selectbox(
        "The exchange's clock",
        options,
        index=options.index(likely),
        format_func=lambda zone: market_hours.clock_name(zone) if zone else "not said",
        help="For market hours, sessions and the coverage map. It moves no stamp, and can be left "
        "open.",
        key=f"{ZONE}_{file_id}",
        width=330,
    )


def _show(preview: Preview, zone: str | None) -> None:
    st.markdown(_counts(preview))
    if preview.breaks:
        pauses = "; ".join(str(pause) for pause in preview.breaks)
        st.markdown(f":small[Stops every day: {pauses}.]")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        components.chart(figures_bars.candles(preview.sample), key="data_preview_chart")
        if preview.first_ts and preview.last_ts:
            st.caption(
                f"{preview.first_ts:%-d %b %Y %H:%M} – {preview.last_ts:%-d %b %Y %H:%M} UTC. "
                "A dotted line is a hole in time."
            )
    with right:
        st.dataframe(_as_understood(preview.head, zone), hide_index=True, height=320)
        st.caption("The first rows as understood.")
    if preview.n_refused:
        _show_refused(preview)


def _counts(preview: Preview) -> str:
    """Return markdown chips of what was counted; what is fine stays grey."""
    gaps = f", the longest {_length_text(preview.longest_gap)}" if preview.longest_gap else ""
    tick = f"tick {components.decimal(preview.tick_size)}" if preview.tick_size else "no tick found"
    flat_share = preview.n_flat / max(preview.n_ok, 1)
    chips: list[tuple[str, Tone]] = [
        (f"{preview.n_ok:,} bars ok", "good"),
        (f"{preview.n_refused:,} rows refused", "bad" if preview.n_refused else "none"),
        (f"bar {preview.bar or 'unknown'}", "none"),
        (f"{preview.n_gaps:,} gaps{gaps}", "none"),
        (f"{preview.n_duplicates:,} repeated stamps", "bad" if preview.n_duplicates else "none"),
        (f"{preview.n_out_of_order:,} out of order", "bad" if preview.n_out_of_order else "none"),
        (f"{preview.n_flat:,} flat bars", "warn" if flat_share > 0.15 else "none"),
        (tick, "none"),
        (f"{preview.n_off_tick:,} off the tick", "warn" if preview.n_off_tick else "none"),
    ]
    return " ".join(components.badge(text, tone) for text, tone in chips)


def _length_text(length: Any) -> str:
    minutes = round(length.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes / 60:.3g} h" if minutes < 2880 else f"{minutes / 1440:.3g} days"


def _as_understood(head: pd.DataFrame, zone: str | None) -> pd.DataFrame:
    """Return rows to read: the time in UTC and on the exchange's clock, then the numbers."""
    times = pd.DatetimeIndex(head["timestamp"])
    clocks = {"UTC": times.strftime("%Y-%m-%d %H:%M")}
    if zone and zone != "UTC":
        name = zone.rsplit("/", 1)[-1].replace("_", " ")
        clocks[name] = times.tz_convert(zone).strftime("%a %H:%M")
    return pd.DataFrame({**clocks, **{name: head[name] for name in head.columns[1:]}})


def _show_refused(preview: Preview) -> None:
    reasons = ", ".join(f"{n:,} × {reason}" for reason, n in preview.refused_by_reason.items())
    with st.expander(
        f"{preview.n_refused:,} of {preview.n_rows:,} rows refused: {reasons}", expanded=True
    ):
        rows = [{"row": item.row, "reason": item.reason} for item in preview.refused]
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={"row": {"width": "small"}})
        if preview.n_refused > len(rows):
            st.caption(f"The first {len(rows)} of them.")


def _offer_import(
    workspace: Workspace,
    path: Path,
    answers: Answers,
    preview: Preview,
    *,
    name: str,
    likely: str | None,
) -> None:
    file_id = incoming.file_id(path)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the series", name, key=f"data_name_{file_id}", width=260)
        zone = _zone_picker(file_id, likely)
        leave_out = bool(preview.n_refused) and st.checkbox(
            f"Leave out the {preview.n_refused:,} refused rows", key=f"data_leave_out_{file_id}"
        )
        problem = why_refused(preview, leave_out_refused=leave_out)
        st.button(
            f"Import {components.counted(preview.n_ok, 'bar')}",
            key="data_import",
            type="primary",
            icon=":material/download:",
            disabled=problem is not None,
            on_click=partial(
                _start, workspace, path, answers, name=name.strip(), zone=zone,
                leave_out=leave_out,
            ),
        )  # fmt: skip
    if problem:
        st.caption(f":material/block: {problem}")


def _start(
    workspace: Workspace,
    path: Path,
    answers: Answers,
    *,
    name: str,
    zone: str | None,
    leave_out: bool,
) -> None:
    """Begin the import in a thread of its own; the page follows it."""
    store, bars = cache.store(workspace.store_url), cache.bar_store(workspace.bars_dir)
    key = f"{job_prefix(workspace)}{path.name}"
    jobs.forget(key)
    jobs.start(
        key,
        lambda tell: importing.import_bars(
            path,
            store,
            bars,
            answers=answers,
            name=name or None,
            tz_exchange=zone,
            leave_out_refused=leave_out,
            progress=tell,
        ),
    )
    state.clear_notice()
