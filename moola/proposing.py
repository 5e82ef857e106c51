"""Run the written rule over a series of the store and keep what it proposes."""

from __future__ import annotations

from moola.bars import BarStore
from moola.proposals import RuleParams, propose_spans
from moola.rules import DEFAULT_RULE
from moola.store import LabelStore, ProposeSummary, Series


def propose_series(
    series: Series,
    store: LabelStore,
    bar_store: BarStore,
    *,
    op_id: str,
    params: RuleParams | None = None,
) -> ProposeSummary:
    """Propose spans on every bar of `series`; running it again adds only what is new."""
    bars = bar_store.read(series.content_hash)
    current = store.current_rule()
    times = None if series.start_ts is None else bars["timestamp"]
    found = propose_spans(bar_store.ohlc(series.content_hash), params, times)
    return store.propose(
        series.series_id,
        found,
        op_id=op_id,
        rule_version=current.rule_version if current else DEFAULT_RULE.rule_version,
        timestamps=None if times is None else [moment.to_pydatetime() for moment in times],
    )
