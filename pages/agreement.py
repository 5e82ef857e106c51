"""Agreement: how far do people label the same, and what becomes of what they do not?"""

from __future__ import annotations

import streamlit as st

from moola import comparing
from moola.ui import adjudication, agreement_view, components, people_view, state

workspace = state.workspace()
components.heading(
    "Agreement", "How far do people label the same, and who decides where they do not?", workspace
)

with components.problems():
    found = agreement_view.find(workspace)
    is_shared = len(comparing.partners(found.people)) > 1
    if is_shared and agreement_view.choose_view(found.people) == agreement_view.DISPUTES:
        adjudication.draw(workspace, found)
        st.stop()
    people_view.who_labelled_what(found.people)
    if is_shared:
        agreement_view.pair_view(found)
    else:
        people_view.how_a_second_person_joins(found.people)
    people_view.trust(found)
