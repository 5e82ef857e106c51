"""Adjudicate disputed windows: see every version at once, take one, or draw one's own as gold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from moola import comparing, second_look
from moola.comparing import People
from moola.desk.items import clipped, name_of
from moola.figures_agreement import PERSON_COLORS
from moola.schema import REJECT_REASONS, SPAN_TYPES, Standing
from moola.second_look import GOLD
from moola.store import Judgement, LabelStore, StoredSpan, WindowView
from moola.ui import cache, components, gold, picker, span_chart, state
from moola.ui.agreement_view import Found
from moola.ui.picker import Tone
from moola.workspace import Workspace

CHART, BLIND = "agreement_chart", "agreement_blind"
TONES: dict[Standing, Tone] = {
    "single": "none", "agreed": "good", "disputed": "warn", "adjudicated": "live",
}  # fmt: skip
SHOWN: dict[str, Standing] = {
    "Disputed": "disputed", "Adjudicated": "adjudicated", "Agreed": "agreed",
}  # fmt: skip
LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class Version:
    """One person's decision about the window, under the letter and colour it is shown in."""

    letter: str
    person: str
    shown: str
    color: str
    judged: Judgement


def draw(workspace: Workspace, found: Found) -> None:
    """Draw the list of windows and the chosen one with every version of it."""
    people = found.people
    with st.sidebar:
        uid = _choose_window(workspace, people)
    if uid is None:
        st.success("No window stands there. What people disagree on will wait here.")
        return
    store = cache.store(workspace.store_url)
    view = store.window(uid, annotator=GOLD)
    versions = _versions(people, uid)
    _title(view, people)
    _actions(view, versions)
    state.show_notice(otherwise="Every decision is saved at once as gold, and can be undone.")
    _chart(workspace, store, view, versions)
    _details(view, versions)


def _choose_window(workspace: Workspace, people: People) -> str | None:
    counts = {name: len(people.standing_at(standing)) for name, standing in SHOWN.items()}
    shown = st.selectbox(
        "Windows that are",
        list(SHOWN),
        format_func=lambda name: f"{name} ({counts[name]:,})",
        key="agreement_standing",
        persist_state="session",
    )
    current: str = st.session_state.get(gold.WINDOW, "")
    ids = people.standing_at(SHOWN[shown])
    if current in people.standing and current not in ids:
        ids = _with(
            ids, current, list(people.standing)
        )  # just decided: it stays until one moves on
    st.session_state[gold.QUEUE] = ids
    if not ids:
        return None
    if current not in ids:
        current = st.session_state[gold.WINDOW] = ids[0]
    rows = {row.window_uid: row for row in cache.window_rows(workspace.store_url)}
    picker.mount(
        ids,
        lambda uid: _as_row(uid, people, name_of(rows[uid])),
        current=current,
        label="Windows that several people have decided",
        key="agreement_windows",
        on_pick=gold.go_to,
    )
    st.toggle("Hide who is who", value=True, key=BLIND, persist_state="session")
    return current


def _with(ids: Sequence[str], uid: str, order: Sequence[str]) -> list[str]:
    wanted = {*ids, uid}
    return [item for item in order if item in wanted]


def _as_row(uid: str, people: People, name: str) -> picker.Row:
    standing = people.standing[uid]
    detail = ", ".join(people.differences(uid)) if standing == "disputed" else standing
    return picker.Row(uid, name, detail, TONES[standing])


def _versions(people: People, uid: str) -> list[Version]:
    """Return the versions in the window's own order: no letter stands for one person."""
    judged = people.versions(uid)
    hidden = st.session_state.get(BLIND, True)
    return [
        Version(
            letter=letter,
            person=person,
            shown=letter if hidden else person,
            color=PERSON_COLORS[i % len(PERSON_COLORS)],
            judged=judged[person],
        )
        for i, (letter, person) in enumerate(
            zip(LETTERS, comparing.shuffled(list(judged), uid), strict=False)
        )
    ]


def _title(view: WindowView, people: People) -> None:
    standing = people.standing.get(view.window_uid, "single")
    chip = components.badge(standing, TONES[standing])
    facts = " · ".join(people.differences(view.window_uid)) or "the versions agree"
    st.markdown(f"**{name_of(view)}** {chip} :small[:gray[{facts}]]")


def _actions(view: WindowView, versions: Sequence[Version]) -> None:
    """Step, take a version, reject, type and undo, each with its key."""
    with st.container(horizontal=True, gap="xsmall", key="agreement_actions"):
        _button("Previous", "Left", partial(gold.step, -1))
        _button("Next", "Right", partial(gold.step, 1))
        for version in versions:
            _button(
                f"Take {version.shown}",
                version.letter if version.letter in "AB" else None,
                partial(gold.take, view, version.person, version.letter),
                key=f"take_{version.letter}",
                type="primary",
                help="Make this version the gold label",
            )
        st.menu_button(
            "Reject for…",
            REJECT_REASONS,
            format_func=lambda reason: reason.replace("_", " "),
            key=gold.REASON,
            on_click=gold.reject,
            args=(view,),
        )
        _button("Undo", "U", gold.undo, help="Take back your last adjudication")
        st.space("stretch")
        active = gold.active_span(view)
        for number, span_type in enumerate(SPAN_TYPES, start=1):
            is_set = active is not None and active.type == span_type
            _button(
                span_type.capitalize(),
                str(number),
                partial(gold.set_type, view, span_type),
                icon=f":material/radio_button_{'checked' if is_set else 'unchecked'}:",
                disabled=active is None,
                help="The market before the gold span",
            )


def _button(
    label: str,
    shortcut: str | None,
    on_click: Callable[[], None],
    *,
    key: str | None = None,
    **options: Any,
) -> None:
    name = key or label.lower().replace(" ", "_")
    st.button(label, key=f"agreement_{name}", shortcut=shortcut, on_click=on_click, **options)


def _chart(
    workspace: Workspace, store: LabelStore, view: WindowView, versions: Sequence[Version]
) -> None:
    series = store.get_series(view.series_id)
    bars = cache.window_bars(workspace, series, view.bar_start)
    active = gold.active_span(view)
    data = span_chart.ChartData(
        id=view.window_uid,
        label=f"{name_of(view)} with every version of its label",
        bars=span_chart.price_columns(bars.ohlc),
        times=None if bars.times is None else bars.times.tolist(),
        tick=series.tick_size,
        lanes=tuple(_lane(version) for version in versions),
        spans=tuple(
            span_chart.ChartSpan(key=span.span_id, start=span.start, end=span.end, type=span.type)
            for span in view.spans
        ),
        active=active.span_id if active else None,
        cut=tuple(clipped(span) for span in view.cut_spans),
        panes=(),
        editable=True,
        adding=bool(st.session_state.get(gold.ADDING)),
        hint="Drag on an empty stretch to draw the gold span yourself, or drag an edge of it.",
        rev=view.rev,
        ack=st.session_state.get(gold.ACK),
    )
    span_chart.mount(
        data,
        key=CHART,
        on_edit=partial(
            gold.edit, view, [span for v in versions for span in v.judged.spans], bars.ohlc
        ),
        on_pick=lambda event: gold.choose_span(event.get("key")),
    )


def _lane(version: Version) -> span_chart.Lane:
    judged = version.judged
    kept = second_look.decision_of(judged.state) == "kept"
    return span_chart.Lane(
        name=version.shown,
        color=version.color,
        spans=tuple(
            span_chart.Outline(start=span.start, end=span.end, name=span.type)
            for span in judged.spans
            if kept
        ),
        note=_decision_text(judged),
    )


def _decision_text(judged: Judgement) -> str:
    name = second_look.decision_of(judged.state) or judged.state
    return f"{name}: {judged.reason.replace('_', ' ')}" if judged.reason else str(name)


def _details(view: WindowView, versions: Sequence[Version]) -> None:
    """What each version says in words, and the way into the desk."""
    head = "| Version | Decision | Expansions | Grade | Note |\n|:--|:--|:--|:--|:--|"
    st.markdown(
        "\n".join([head, *(_detail_row(v.shown, v.judged) for v in versions), *_gold_row(view)])
    )
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if view.spans:
            st.toggle("Draw another span", key=gold.ADDING, help="The next drag draws it")
            _button("Remove span", "D", partial(gold.delete, view))
        st.space("stretch")
        st.page_link(
            "pages/windows.py",
            label="Open in the desk, in your own layer",
            icon=":material/open_in_new:",
            query_params={"window": view.window_uid},
        )


def _detail_row(name: str, judged: Judgement) -> str:
    grades = [span.grade or "–" for span in judged.spans]
    cells = [
        f"**{name}**", _decision_text(judged), _spans_text(judged.spans), ", ".join(grades) or "–",
        judged.note.replace("|", "/").replace("\n", " ") or "–",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _gold_row(view: WindowView) -> list[str]:
    if view.rev == 0 or second_look.decision_of(view.state) is None:
        return []
    reason = f": {view.reason.replace('_', ' ')}" if view.reason else ""
    decision = f"{second_look.decision_of(view.state)}{reason}"
    grades = ", ".join(span.grade or "–" for span in view.spans) or "–"
    return [
        f"| **gold** | {decision} | {_spans_text(view.spans)} | {grades} | {view.note or '–'} |"
    ]


def _spans_text(spans: Sequence[StoredSpan]) -> str:
    return (
        "; ".join(
            f"{span.start} – {span.end} {span.type} {span.direction or ''}".strip()
            for span in spans
        )
        or "–"
    )
