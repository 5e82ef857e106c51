"""Seventeen things that go wrong when the losses of tasks are balanced, each with a test.

The docstring of its test says which it is: ``grep -rn "Pitfall" tests`` lists them.
"""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
N_PITFALLS = 17


def test_every_pitfall_has_a_test() -> None:
    named = re.compile(r'    """Pitfall (\d+): ')
    found = {
        int(number)
        for path in TESTS.rglob("test_*.py")
        for number in named.findall(path.read_text(encoding="utf-8"))
    }
    assert found == set(range(1, N_PITFALLS + 1))
