"""The pages of the app and where they stand in the menu."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

ICON = Path(__file__).with_name("icon.svg")
"""A file of our own: an icon by name would be fetched from the internet."""


def declare() -> st.Page:
    """Draw the menu and return the page to run."""
    st.set_page_config(page_title="Moola", page_icon=ICON, layout="wide")
    pages = [
        _page("data", "Data", "database"),
        _page("windows", "Windows", "candlestick_chart", default=True),
        _page("agreement", "Agreement", "group"),
        _page("coverage", "Coverage", "grid_on"),
        _page("finetune", "Fine-tune", "model_training"),
        _page("loss_shares", "Loss shares", "stacked_bar_chart"),
        _page("compare", "Compare", "compare"),
        _page("review", "Review", "fact_check"),
    ]
    return st.navigation(pages, position="top")


def _page(name: str, title: str, icon: str, *, default: bool = False) -> st.Page:
    return st.Page(f"pages/{name}.py", title=title, icon=f":material/{icon}:", default=default)
