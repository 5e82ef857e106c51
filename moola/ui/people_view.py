"""The Agreement page's tables of people: who labelled what, how steady and careful each is."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from moola import agreement, comparing
from moola.comparing import People
from moola.resampling import LEAST_GROUPS
from moola.second_look import DECISION_NAMES, REPEAT, decision_of
from moola.ui import components
from moola.ui.agreement_view import Found, compared, show


def who_labelled_what(people: People) -> None:
    """Draw one row a person, and where the windows stand between them."""
    if not people.persons:
        return
    head = (
        "| Person | Decided | Kept | Rejected | Flagged | Expansions | With others | Repeated |\n"
        "|:--|--:|--:|--:|--:|--:|--:|--:|"
    )
    st.markdown("\n".join([head, *(_person_row(people, name) for name in people.persons)]))
    counts = Counter(people.standing.values())
    if len(people.persons) > 1:
        st.caption(
            f"{components.counted(sum(counts.values()), 'window')}: {counts['single']:,} decided "
            f"by one person alone · {counts['agreed']:,} agreed · {counts['disputed']:,} disputed "
            f"· {counts['adjudicated']:,} adjudicated"
        )


def _person_row(people: People, name: str) -> str:
    decided = people.by_layer[name]
    kinds = Counter(decision_of(item.state) for item in decided)
    n_spans = sum(len(item.spans) for item in decided if decision_of(item.state) == "kept")
    n_shared = sum(len(people.versions(item.window_uid)) > 1 for item in decided)
    counts = [len(decided), *(kinds[kind] for kind in DECISION_NAMES), n_spans, n_shared]
    cells = [f"**{name}**", *(f"{n:,}" for n in [*counts, len(people.repeats(name))])]
    return f"| {' | '.join(cells)} |"


def how_a_second_person_joins(people: People) -> None:
    """Say what is missing for a comparison, and how to get it."""
    if not people.persons:
        text = "Nobody has decided a window yet."
    else:
        n = len(people.by_layer[people.persons[0]])
        text = (
            f"Only {people.persons[0]} has decided windows so far "
            f"({components.counted(n, 'window')}), so there is nobody to agree with."
        )
    st.info(text, icon=":material/group_add:")
    st.markdown(
        "**How a second person joins**\n\n"
        "1. Open the Windows page in another browser, or on this one, and choose another name in "
        "its sidebar. Everyone labels in a layer of his own; nobody sees the others' spans "
        "meanwhile.\n"
        "2. Label the same windows. "
        f"{LEAST_GROUPS} windows that share no bars give a first interval, about 50 a "
        "useful one.\n"
        "3. Come back here: the figures appear by themselves, and every window that the two decide "
        "differently waits to be adjudicated.\n\n"
        "Several people on several machines share one store: set `MOOLA_DATABASE_URL` to a "
        "PostgreSQL database."
    )
    st.page_link("pages/windows.py", label="Open Windows", icon=":material/arrow_forward:")


def trust(found: Found) -> None:
    """Draw how steady and how careful each person is."""
    people = found.people
    if not people.persons:
        return
    st.markdown("##### Trust checks", anchors=False)
    head = (
        "| Person | F1 with own repeats | 95% interval | Kappa | Repeated "
        "| Shifted spans accepted | Seconds a window | Under 0.6 s |\n"
        "|:--|--:|:-:|--:|--:|--:|--:|--:|"
    )
    st.markdown("\n".join([head, *(_trust_row(found, name) for name in people.persons)]))
    st.caption(
        "Repeats: windows judged a second time, at least a day later. Shifted spans: trials whose "
        "proposal was moved on purpose; accepting it as drawn means not looking. Seconds: median, "
        "and 9 of 10 below."
    )


def _trust_row(found: Found, name: str) -> str:
    people = found.people
    repeat = compared(found, name, name + REPEAT)
    own = repeat.scores
    caught = agreement.catch_share(comparing.trials(people, name))
    times = agreement.times_of(people.by_layer[name])
    f1 = own["f1"]
    interval = f"{f1.low:.2f} – {f1.high:.2f}" if f1.has_interval else "–"
    catch = "–"
    if caught.of:
        catch = f"{caught.n} of {caught.of} ({caught.low:.0%} – {caught.high:.0%})"
    seconds = f"{times.median_s:.1f} (9 of 10 ≤ {times.p90_s:.1f})" if times.n else "–"
    fast = f"{times.fast.share:.0%}" if times.n else "–"
    cells = [
        f"**{name}**", show(f1.value, "score"), interval, show(own["kappa"].value, "score"),
        components.counted(len(repeat.pair), "window"), catch, seconds, fast,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"
