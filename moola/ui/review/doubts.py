"""The Review page's label audit: which labels a run doubts, and a second look at them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd
import streamlit as st

from moola import audit, comparing, label_versions
from moola.audit import Suspect
from moola.desk.overlay import RunResult
from moola.runs import RunFolder
from moola.ui import cache, components, run_parts, state
from moola.ui.review import result as results
from moola.ui.review.windows import WINDOW
from moola.workspace import Workspace

N_SENT, SHOWN = "review_audit_n", 50
HOW = (
    "Each label is held against two judges that have not seen it: the posterior of the labelled "
    "span under the model (an out-of-fold one in a cross-validated run), and whether its bars "
    "look like those of the other labels. A label that the model finds likely is no suspect, "
    "however far its own best guess lies. Doubtful is not wrong: a person decides."
)


def draw(workspace: Workspace, run: RunFolder, result: RunResult, names: Mapping[str, str]) -> None:
    """Draw the suspects, the way to the desk, and what became of those sent before."""
    found = _suspects(workspace, run)
    if not found:
        st.info("This run held nothing out, so it can doubt no label.", icon=":material/help:")
        return
    _offer(run, found, len(result.rows))
    _table(found, result, names)
    _sent(workspace, run, names)
    _versions(workspace, run, result)


def _suspects(workspace: Workspace, run: RunFolder) -> list[Suspect]:
    written = (run.path / results.PREDICTIONS).stat().st_mtime_ns
    version = cache.store(workspace.store_url).version()
    return _ranked(workspace, run.path.name, written, version, run)


@st.cache_resource(max_entries=4, show_spinner="Holding every label against the run")
def _ranked(
    workspace: Workspace, run_id: str, written: int, version: int, _run: RunFolder
) -> list[Suspect]:
    people = comparing.arrange(cache.store(workspace.store_url).judgements())
    return audit.suspects(_run, people)


def _offer(run: RunFolder, found: list[Suspect], n_windows: int) -> None:
    """Draw how many to send, and the two ways to send them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.number_input(
            "Most doubtful",
            min_value=1,
            max_value=len(found),
            value=min(20, len(found)),
            key=N_SENT,
            width=140,
        )
        for label, blind, icon in (
            ("Send to labelling", False, ":material/send:"),
            ("Send blind", True, ":material/visibility_off:"),
        ):
            st.button(
                label,
                key=f"review_audit_send{'_blind' if blind else ''}",
                icon=icon,
                on_click=partial(_send, run, found, blind),
                help="Your own label and the model are hidden; the second judgement stands beside "
                "the first, and changes nothing by itself"
                if blind
                else "Each opens with its label, to be changed or accepted as it is",
            )
        st.space("stretch")
    state.show_notice()
    part = "" if len(found) == n_windows else (
        f" of {n_windows:,}: the run trained on the others. A cross-validated run audits all of "
        "them"
    )  # fmt: skip
    st.caption(f"{components.counted(len(found), 'label')} held out{part}.", help=HOW)


def _send(run: RunFolder, found: list[Suspect], blind: bool) -> None:
    with state.reporting():
        sent = audit.send(run, found[: st.session_state[N_SENT]], blind=blind)
        state.say(f"Sent {components.counted(len(sent.windows), 'window')} to the desk")


def _table(found: list[Suspect], result: RunResult, names: Mapping[str, str]) -> None:
    rows = []
    for place, item in enumerate(found[:SHOWN], 1):
        error = result.by_uid[item.window_uid].error
        rows.append(
            {
                "": place,
                "window": names.get(item.window_uid, item.window_uid),
                "label": f"{error.start}–{error.end}" if error.is_labelled else "none",
                "doubt": item.score,
                "P(label)": item.posterior,
                "why": item.reason,  # last: a narrow screen cuts off the longest column alone
            }
        )
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=420,
        key="review_audit_table",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "": st.column_config.NumberColumn(width=40),
            "label": st.column_config.TextColumn(width=70),
            "doubt": st.column_config.NumberColumn(format="%.1f", width=60),
            "P(label)": st.column_config.NumberColumn(
                format="%.3f",
                width=75,
                help="Posterior of the labelled span, both edges within 3 bars",
            ),
            "why": st.column_config.TextColumn(width="large"),
        },
    )
    picked = event["selection"]["rows"]
    if picked:
        uid = found[picked[0]].window_uid
        st.button(
            f"Show {names.get(uid, uid)} in the chart",
            key="review_audit_show",
            on_click=partial(_show, uid),
        )


def _show(uid: str) -> None:
    st.session_state[WINDOW] = uid
    st.session_state["review_split"] = "all"
    st.session_state["review_view"] = results.WINDOWS


def _sent(workspace: Workspace, run: RunFolder, names: Mapping[str, str]) -> None:
    """Draw how far the second look at the windows that were sent has come."""
    sent = audit.read_sent(run.path)
    if sent is None:
        return
    judgements = cache.store(workspace.store_url).judgements(uids=list(sent.windows))
    done = audit.looked_at(sent, judgements)
    n_same = sum(item.agrees is True for item in done.values())
    st.markdown("##### Second look", anchors=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"{len(done)} of {len(sent.windows)} looked at since {sent.sent_at[:16]} UTC"
            + (f", {n_same} of them judged blind as before" if sent.blind else ""),
            width="content",
        )
        st.page_link(
            "pages/windows.py",
            label="Open the queue",
            icon=":material/arrow_forward:",
            query_params={"mode": "audit-blind" if sent.blind else "audit", "run": run.id},
        )
    differing = [uid for uid, item in done.items() if item.agrees is False]
    for uid in differing:
        st.page_link(
            "pages/windows.py",
            label=f"{names.get(uid, uid)}: {done[uid].words}",
            query_params={"window": uid},
        )


def _versions(workspace: Workspace, run: RunFolder, result: RunResult) -> None:
    """Draw which labels changed since the run, and what a later run makes of the unchanged ones."""
    st.markdown("##### After relabelling", anchors=False)
    now = label_versions.labels_of_views(cache.standing_views(workspace.store_url))
    before = label_versions.labels_of(result.examples)
    st.caption(str(label_versions.changes(before, now)))
    later = [r for r in results.reviewable(workspace) if r.id != run.id]
    by_id = {other.id: other for other in later}
    chosen = st.selectbox(
        "Difference to a run on other labels, on the windows whose labels did not change",
        [None, *by_id],
        format_func=lambda run_id: (
            "choose a run" if run_id is None else run_parts.name_of(by_id[run_id])
        ),
        key="review_audit_later",
    )
    if chosen is None:
        return
    rows = label_versions.differences(result, results.load(by_id[chosen]))
    if not rows:
        st.caption("No held-out window with the same label is in both runs.")
        return
    head = "| Measure | This run | The other | Difference | 95% interval | Windows |\n"
    lines = [
        f"| {row.name} | {row.before:.3f} | {row.after:.3f} | {row.difference:+.3f} | "
        f"{row.interval_text} | {row.n_windows:,} |"
        for row in rows
    ]
    st.markdown(head + "|:--|--:|--:|--:|:-:|--:|\n" + "\n".join(lines))
