"""The verb about the written rule of a label."""

from __future__ import annotations

import argparse
import uuid
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from moola import rules, ruling
from moola.cli import options
from moola.exceptions import ConfigError
from moola.store import LOCAL
from moola.workspace import Workspace

LISTED_LABELS = 20


def _add_rule(verb: argparse.ArgumentParser) -> None:
    """Show the written rule, check a new one against the labels, or publish it."""
    verb.add_argument(
        "action",
        nargs="?",
        choices=("show", "check", "publish"),
        default="show",
        help="show prints the rule as a file to edit; check says which labels FILE would break; "
        "publish puts it in force and marks just those stale (default: show)",
    )
    verb.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="a rule as Markdown with its limits in a json block, or as JSON",
    )
    verb.add_argument("--author", default=LOCAL, metavar="NAME", help="default: %(default)s")
    verb.set_defaults(handler=_rule)


def _rule(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    with options.opened(workspace) as (store, bar_store):
        current = ruling.current_rule(store)
        if args.action == "show":
            return asdict(current), rules.rule_markdown(current).rstrip()
        rule = _read(args.file)
        if args.action == "check":
            found = ruling.impact(store, bar_store, rule.limits)
            return _answer(rule, found), "\n".join([str(found), *_listed(found)])
        if rule.rule_version == current.rule_version:
            rule = _next(rule, current)
        found = ruling.publish(store, bar_store, rule, author=args.author, op_id=uuid.uuid4().hex)
    text = f"Rule {rule.rule_version} is in force. {found}"
    return _answer(rule, found), "\n".join([text, *_listed(found)])


def _read(path: Path | None) -> rules.Rule:
    if path is None:
        raise ConfigError("A rule should be named to check or publish. Found no FILE.")
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise ConfigError(f"The rule should be a text file. Found {error} ({path}).") from error
    return rules.read_rule(text, where=path.name)


def _next(rule: rules.Rule, current: rules.Rule) -> rules.Rule:
    """Return an edited rule under the next version's name, so that `show` can be edited as is."""
    if rule == current:
        raise ConfigError(
            f"A new rule should differ from the one in force. Found {rule.rule_version} unchanged."
        )
    return replace(rule, rule_version=rules.next_version(rule.rule_version))


def _answer(rule: rules.Rule, found: ruling.Impact) -> dict[str, Any]:
    return {
        "rule_version": rule.rule_version,
        "n_labels": found.n_labels,
        "breaks": [asdict(label) for label in found.breaks],
        "heals": [asdict(label) for label in found.heals],
        "still": [asdict(label) for label in found.still],
        "stale": found.stale,
    }


def _listed(found: ruling.Impact) -> list[str]:
    lines = [
        f"  {word} {label.layer}: {label.series_id} bars {label.seq_start:,}..{label.seq_end:,}: "
        f"{'; '.join(label.reasons)}"
        for word, labels in (("breaks", found.breaks), ("heals", found.heals))
        for label in labels
    ]
    if len(lines) > LISTED_LABELS:
        lines = [*lines[:LISTED_LABELS], f"  and {len(lines) - LISTED_LABELS} more"]
    return lines


VERBS = {"rule": _add_rule}
