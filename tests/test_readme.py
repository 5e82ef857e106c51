"""The README says what there is: every verb, balance, page and file it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moola.cli import VERBS, _parser
from moola.config import BALANCES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_table(verb: str) -> None:
    assert re.search(rf"^\| `{verb}[ `]", README, re.MULTILINE)


@pytest.mark.parametrize("balance", BALANCES)
def test_every_balance_is_in_the_table(balance: str) -> None:
    assert re.search(rf"^\| `{balance}`", README, re.MULTILINE)


def test_every_page_is_in_the_table() -> None:
    titles = re.findall(r'_page\("\w+", "([^"]+)"', (ROOT / "moola/ui/navigation.py").read_text())
    assert len(titles) == len(list((ROOT / "pages").glob("*.py")))
    for title in titles:
        assert f"| **{title}** |" in README


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_command_shown_is_understood() -> None:
    joined = README.replace("\\\n", " ")
    shown = re.findall(r"^\.venv/bin/python -m moola (.+?)(?:  +#.*)?$", joined, re.MULTILINE)
    assert len(shown) >= 4
    for line in shown:
        words = line.split()
        assert _parser([words[0]]).parse_args(words).verb == words[0]


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    assert "make test " in README
    assert "\nmake test\n" in (ROOT / ".ci/run").read_text()
