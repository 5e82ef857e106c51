"""Change the written rule, and see before what the change does to the labels there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from moola import rules
from moola.bars import BarStore
from moola.rules import DEFAULT_RULE, Limits
from moola.schema import LABELLED_STATES, Direction
from moola.second_look import CATCH
from moola.store import LabelStore, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLabel:
    """A live span of one layer, the windows whose decision it carries, and what it breaks."""

    layer: str
    series_id: str
    seq_start: int
    seq_end: int
    type: str
    direction: Direction | None
    windows: tuple[str, ...]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What a change of the rule does to the labels."""

    n_labels: int
    breaks: tuple[CheckedLabel, ...]
    """Sound by the rule as it is, broken by the new one."""
    heals: tuple[CheckedLabel, ...]
    """Broken by the rule as it is, sound by the new one; with what they broke."""
    still: tuple[CheckedLabel, ...]
    """Broken by both: somebody has accepted them as they are."""

    @property
    def stale(self) -> list[tuple[str, str]]:
        """Window and layer of every decision that the change makes stale."""
        return sorted({(uid, label.layer) for label in self.breaks for uid in label.windows})

    def __str__(self) -> str:
        n_windows = len({uid for uid, _ in self.stale})
        return (
            f"Of {self.n_labels:,} labels the change breaks {len(self.breaks):,}, in "
            f"{n_windows:,} {'window' if n_windows == 1 else 'windows'} to be looked at again; "
            f"it heals {len(self.heals):,}, and {len(self.still):,} are broken before and after."
        )


def current_rule(store: LabelStore) -> rules.Rule:
    """Return the rule in force; the default one where nobody has published any."""
    stored = store.current_rule()
    if stored is None:
        return DEFAULT_RULE
    return rules.Rule(
        rule_version=stored.rule_version, text_md=stored.text_md, params=dict(stored.params)
    )


def impact(store: LabelStore, bar_store: BarStore, limits: Limits) -> Impact:
    """Return which labels of which layers `limits` would break and heal.

    A label is a live span in a window whose decision keeps it. Decisions about shifted proposals
    are no labels and are left out.
    """
    before = current_rule(store).limits
    labels = _labels(store)
    breaks: list[CheckedLabel] = []
    heals: list[CheckedLabel] = []
    still: list[CheckedLabel] = []
    for series in store.series():
        here = [label for label in labels if label.series_id == series.series_id]
        was = _check(series, here, before, bar_store)
        becomes = _check(series, here, limits, bar_store)
        for old, new in zip(was, becomes, strict=True):
            if new.reasons:
                (still if old.reasons else breaks).append(new)
            elif old.reasons:
                heals.append(old)
    return Impact(
        n_labels=len(labels),
        breaks=tuple(breaks),
        heals=tuple(heals),
        still=tuple(still),
    )


def publish(
    store: LabelStore, bar_store: BarStore, rule: rules.Rule, *, author: str, op_id: str
) -> Impact:
    """Make `rule` the one in force; exactly the windows whose labels newly break become stale."""
    rules.check_rule(rule)
    found = impact(store, bar_store, rule.limits)
    ensure_rule(store, author=author)
    store.add_rule(
        rule.rule_version,
        rule.text_md,
        rule.params,
        author=author,
        op_id=op_id,
        stale=found.stale,
    )
    return found


def ensure_rule(store: LabelStore, *, author: str) -> None:
    """Put the default rule on record where there is none, so that every label can name its rule."""
    if store.current_rule() is None:
        first = DEFAULT_RULE
        store.add_rule(
            first.rule_version,
            first.text_md,
            first.params,
            author=author,
            op_id=f"rule-{first.rule_version}",
        )


def _labels(store: LabelStore) -> list[CheckedLabel]:
    """Return every label once, with all the windows that hold it."""
    found: dict[str, CheckedLabel] = {}
    for item in store.judgements():
        if item.state not in LABELLED_STATES or item.layer.endswith(CATCH):
            continue
        for span in item.spans:
            known = found.get(span.span_id)
            found[span.span_id] = CheckedLabel(
                layer=item.layer,
                series_id=item.series_id,
                seq_start=item.bar_start + span.start,
                seq_end=item.bar_start + span.end,
                type=span.type,
                direction=span.direction,
                windows=(*(known.windows if known else ()), item.window_uid),
            )
    return list(found.values())


def _check(
    series: Series, labels: Sequence[CheckedLabel], limits: Limits, bar_store: BarStore
) -> list[CheckedLabel]:
    """Return the labels of a series with what they break."""
    if not labels:
        return []
    times = None if series.start_ts is None else bar_store.read(series.content_hash)["timestamp"]
    reasons = rules.find_broken(
        bar_store.ohlc(series.content_hash),
        [label.seq_start for label in labels],
        [label.seq_end for label in labels],
        limits,
        direction=[label.direction for label in labels],
        types=[label.type for label in labels],
        timestamps=times,
    )
    return [
        replace(label, reasons=tuple(found)) for label, found in zip(labels, reasons, strict=True)
    ]
