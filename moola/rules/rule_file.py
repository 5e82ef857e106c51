"""A rule as a file: Markdown for a person, with its limits in a fenced ``json`` block at the end.

``read_rule(rule_markdown(rule))`` is the same rule. A JSON file with the same three fields as
`Rule` is read as well.
"""

from __future__ import annotations

import json
import re
from typing import Any

from moola.exceptions import ConfigError
from moola.rules.limits import Limits, Rule

BLOCK = re.compile(r"\n*^```json[ \t]*\n(?P<json>.*?)^```[ \t]*\n*", re.MULTILINE | re.DOTALL)
FIELDS = ("rule_version", "text_md", "params")


def rule_markdown(rule: Rule) -> str:
    """Return the rule as a Markdown file that `read_rule` reads."""
    held = {"rule_version": rule.rule_version, "params": rule.params}
    return f"{rule.text_md.rstrip()}\n\n```json\n{json.dumps(held, indent=1)}\n```\n"


def read_rule(text: str, *, where: str = "the rule") -> Rule:
    """Return the rule that a Markdown or JSON file holds.

    Raises
    ------
    ConfigError
        If version, text or limits are missing, or a limit makes no sense.
    """
    if text.lstrip().startswith("{"):
        held = _json(text, where)
    else:
        blocks = list(BLOCK.finditer(text))
        if not blocks:
            raise ConfigError(
                "The Markdown of a rule should hold its limits in a block that begins with "
                f"```json. Found none ({where})."
            )
        last = blocks[-1]
        words = f"{text[: last.start()]}\n{text[last.end() :]}".strip() + "\n"
        held = {"text_md": words, **_json(last["json"], where)}
    if unknown := [name for name in held if name not in FIELDS]:
        raise ConfigError(
            f"The fields of a rule should be {', '.join(FIELDS)}. "
            f"Found {', '.join(unknown)} ({where})."
        )
    return check_rule(Rule(**{name: held.get(name, "") for name in FIELDS}), where=where)


def check_rule(rule: Rule, *, where: str = "the rule") -> Rule:
    """Return `rule`, or raise `ConfigError` if something of it is missing or makes no sense."""
    for name in ("rule_version", "text_md"):
        value = getattr(rule, name)
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"A rule should have a {name}. Found {value!r} ({where}).")
    if not isinstance(rule.params, dict):
        raise ConfigError(f"params should be a table. Found {rule.params!r} ({where}).")
    Limits.from_params(rule.params)
    return rule


def next_version(rule_version: str) -> str:
    """Return the name of the version after this one.

    >>> next_version("r9"), next_version("draft")
    ('r10', 'draft2')
    """
    name = rule_version.rstrip("0123456789")
    return f"{name}{int(rule_version[len(name) :] or 1) + 1}"


def _json(text: str, where: str) -> dict[str, Any]:
    try:
        held = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where} should hold valid JSON. Found {error}.") from error
    if not isinstance(held, dict):
        raise ConfigError(f"{where} should hold a JSON object. Found {type(held).__name__}.")
    return held
