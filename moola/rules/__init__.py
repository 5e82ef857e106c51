"""The written rule of a label: words for a person, and limits that the bars are held against.

``broken(ohlc, start, end, limits)`` says in words what a span breaks, with the numbers found.
Every limit is optional; prices may have any scale.
"""

from moola.rules.checker import Measures, broken, find_broken, measure
from moola.rules.limits import DEFAULT_RULE, Limits, Rule
from moola.rules.rule_file import check_rule, next_version, read_rule, rule_markdown

__all__ = [
    "DEFAULT_RULE",
    "Limits",
    "Measures",
    "Rule",
    "broken",
    "check_rule",
    "find_broken",
    "measure",
    "next_version",
    "read_rule",
    "rule_markdown",
]
