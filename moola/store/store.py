"""The label store: who labelled which bars how, with every step of it on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from moola.proposals import ProposedSpan
from moola.store import intake, judging, people, rehoming
from moola.store.engine import writing
from moola.store.exchange import ExchangeStore
from moola.store.incoming import ProposeSummary, Rehomed
from moola.store.reader import LOCAL
from moola.store.records import Series
from moola.windows import window_uid

LEASE_MINUTES = 10.0


class LabelStore(ExchangeStore):
    """Series, windows, spans and decisions in one database.

    It holds nothing but an engine, so threads may share one. Every writing method takes an
    ``op_id``: the same one twice writes once and answers alike. Decisions take the window's ``rev``
    as it was read and raise `ConflictError` if the window has changed since.
    """

    def add_series(self, series: Series, *, op_id: str, annotator: str = LOCAL) -> Series:
        """Add a series; one with the same id and bars is there already."""
        answer, _ = self._write(
            "add_series",
            lambda op: {"series_id": intake.put_series(op, series).series_id},
            op_id=op_id,
            annotator=annotator,
            args={"series_id": series.series_id, "content_hash": series.content_hash},
        )
        return self.get_series(answer["series_id"])

    def propose(
        self,
        series_id: str,
        proposals: Sequence[ProposedSpan],
        *,
        op_id: str,
        source: str = "rule",
        timestamps: Sequence[datetime] | None = None,
        rule_version: str | None = None,
        run_id: str | None = None,
        annotator: str = LOCAL,
    ) -> ProposeSummary:
        """Add proposals and a window around each, except on bars that carry anybody's label.

        ``timestamps`` are the times of the series' bars; without them new windows carry none.
        """
        owner = self.get_series(series_id)

        answer, _ = self._write(
            "propose",
            lambda op: asdict(
                intake.put_proposals(
                    op,
                    owner,
                    proposals,
                    source=source,
                    time_of=_clock(timestamps),
                    rule_version=rule_version,
                    run_id=run_id,
                )
            ),
            op_id=op_id,
            annotator=annotator,
            args={"series_id": series_id, "source": source, "n_proposals": len(proposals)},
        )
        return ProposeSummary(**answer)

    def extend_series(
        self, series_id: str, new: Series, *, op_id: str, annotator: str = LOCAL
    ) -> Series:
        """Let a series go on with more bars at its end; spans and windows keep their bars."""
        self._write(
            "extend_series",
            lambda op: asdict(intake.extend_series(op, series_id, new)) and {},
            op_id=op_id,
            annotator=annotator,
            args={"series_id": series_id, "content_hash": new.content_hash},
        )
        return self.get_series(series_id)

    def rehome(
        self,
        series_id: str,
        to_series_id: str,
        shift: int,
        *,
        op_id: str,
        start_ts: datetime | None = None,
        annotator: str = LOCAL,
    ) -> Rehomed:
        """Move all that was said of a one-window series to the feed's window at bar `shift`.

        The caller has compared the bars. `StoreError` names what contradicts it in the feed: a
        window that the same layer has decided, spans on the same bars. It is no decision of a
        person: undo and redo go on across it, and `undo_rehome` takes it back.
        """
        answer, _ = self._write(
            "rehome",
            lambda op: rehoming.rehome(op, series_id, to_series_id, shift, start_ts),
            op_id=op_id,
            annotator=annotator,
            args={"series_id": series_id, "to_series_id": to_series_id, "shift": shift},
            window_uid=window_uid(series_id, 0),
        )
        counted = {name: answer[name] for name in ("window_uid", "n_spans", "n_layers")}
        return Rehomed(
            **counted, n_aliases=answer["n_aliases"], n_proposals=len(answer["proposals"])
        )

    def undo_rehome(self, series_id: str, *, op_id: str, annotator: str = LOCAL) -> None:
        """Give a window its own series back; refused once people have worked on it in the feed."""
        self._write(
            "undo_rehome",
            lambda op: rehoming.take_home(op, series_id) and {},
            op_id=op_id,
            annotator=annotator,
            args={"series_id": series_id},
            window_uid=window_uid(series_id, 0),
        )

    def add_windows(
        self,
        series_id: str,
        bar_starts: Sequence[int],
        timestamps: Sequence[datetime] | None = None,
        *,
        op_id: str,
        annotator: str = LOCAL,
    ) -> int:
        """Add windows that begin at some bars, at the times of these bars; return the new ones."""
        owner = self.get_series(series_id)
        times = [None] * len(bar_starts) if timestamps is None else timestamps
        answer, _ = self._write(
            "add_windows",
            lambda op: {"n_new": intake.put_windows(op, owner, bar_starts, times)},
            op_id=op_id,
            annotator=annotator,
            args={"series_id": series_id, "n_windows": len(bar_starts)},
        )
        return answer["n_new"]

    def add_rule(
        self,
        version: str,
        text_md: str,
        params: Mapping[str, Any],
        *,
        author: str,
        op_id: str,
        stale: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Publish a version of the written rule; labels of (window, layer) in `stale` it breaks."""
        people.check_name(author)
        self._write(
            "add_rule",
            lambda op: judging.put_rule(op, version, text_md, params, stale) or {},
            op_id=op_id,
            annotator=author,
            args={"rule_version": version, "n_stale": len(stale)},
        )

    def add_release(
        self,
        release_id: str,
        name: str,
        *,
        event_seq: int,
        manifest: Mapping[str, Any],
        op_id: str,
        annotator: str = LOCAL,
    ) -> None:
        """Register a named dataset by the hash of its content."""
        self._write(
            "add_release",
            lambda op: judging.put_release(op, release_id, name, event_seq, manifest) or {},
            op_id=op_id,
            annotator=annotator,
            args={"release_id": release_id, "name": name},
        )

    def claim(
        self,
        uids: Sequence[str],
        annotator: str,
        client_id: str,
        *,
        minutes: float = LEASE_MINUTES,
    ) -> list[str]:
        """Lease windows for a while; return those that nobody else holds."""
        people.check_name(annotator)
        with writing(self._engine) as connection:
            return people.claim(connection, uids, annotator, client_id, minutes=minutes)

    def release_claims(self, annotator: str, client_id: str) -> None:
        """Give back the leases of one browser."""
        with writing(self._engine) as connection:
            people.release(connection, annotator, client_id)

    def set_preference(self, annotator: str, name: str, value: Any) -> None:
        """Keep a person's setting."""
        people.check_name(annotator)
        with writing(self._engine) as connection:
            people.set_preference(connection, annotator, name, value)


def _clock(timestamps: Sequence[datetime] | None) -> intake.TimeOf:
    return lambda bar: None if timestamps is None else timestamps[bar]
