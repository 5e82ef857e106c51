"""What every layer decided, and the rules and releases that decisions stand under."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from moola.exceptions import StoreError
from moola.schema import LABELLED_STATES
from moola.store.bar_rows import (
    FEW,
    BarRows,
    Place,
    as_dicts,
    by_series,
    in_places,
    lies_inside,
    places_of,
)
from moola.store.changes import Operation, Row
from moola.store.queries import as_span, as_time
from moola.store.records import Judgement, Release, Rule
from moola.store.tables import releases, reviews, rules, spans, windows


def load_judgements(
    connection: Connection, *, uids: Sequence[str] | None = None
) -> list[Judgement]:
    """Return every decision of every layer, by series, bar and layer."""
    query = (
        select(reviews, windows.c.series_id, windows.c.bar_start)
        .join(windows)
        .where(reviews.c.state.is_not(None))
        .order_by(windows.c.series_id, windows.c.bar_start, reviews.c.annotator)
    )
    if uids is not None and len(uids) <= FEW:
        query = query.where(reviews.c.window_uid.in_(uids))
    rows = as_dicts(connection.execute(query))
    if uids is not None:
        wanted = set(uids)
        rows = [row for row in rows if row["window_uid"] in wanted]
    live = _live_spans(connection, places_of(rows))
    return [_as_judgement(row, live.get((row["annotator"], row["series_id"]))) for row in rows]


def load_layers(connection: Connection) -> list[str]:
    """Return the layers that hold a decision or a span."""
    decided = select(reviews.c.annotator).distinct()
    drawn = select(spans.c.annotator).distinct()
    return sorted({*connection.execute(decided).scalars(), *connection.execute(drawn).scalars()})


def load_rules(connection: Connection) -> list[Rule]:
    """Return every version of the written rule, newest first."""
    query = select(rules).order_by(rules.c.created_at.desc(), rules.c.rule_version.desc())
    return [
        Rule(
            rule_version=row["rule_version"],
            text_md=row["text_md"],
            params=json.loads(row["params_json"]),
            author=row["author"],
            created_at=as_time(row["created_at"]),
        )
        for row in connection.execute(query).mappings()
    ]


def put_rule(
    op: Operation,
    version: str,
    text_md: str,
    params: Mapping[str, Any],
    stale: Sequence[tuple[str, str]],
) -> None:
    """Add a version of the rule; labels of the (window, layer) pairs that it breaks become stale.

    `StoreError` if the version stands for another rule already.
    """
    row = {
        "rule_version": version,
        "text_md": text_md,
        "params_json": json.dumps(params, sort_keys=True),
        "author": op.annotator,
        "created_at": op.ts,
    }
    known = op.get(rules, version)
    if known is not None:
        same = all(known[name] == row[name] for name in ("text_md", "params_json"))
        if not same:
            raise StoreError(
                f"A rule version should stand for one rule. Found another one under {version!r}."
            )
        return
    op.put(rules, row)
    for uid, layer in stale:
        review = op.get(reviews, uid, layer)
        if review is not None and review["state"] in LABELLED_STATES:
            changed = {"state": "stale", "rev": review["rev"] + 1, "updated_at": op.ts}
            op.put(reviews, review | changed)


def load_releases(connection: Connection) -> list[Release]:
    """Return every release, newest first."""
    query = select(releases).order_by(releases.c.created_at.desc())
    return [
        Release(
            release_id=row["release_id"],
            name=row["name"],
            event_seq=row["event_seq"],
            manifest=json.loads(row["manifest_json"]),
            created_at=as_time(row["created_at"]),
        )
        for row in connection.execute(query).mappings()
    ]


def put_release(
    op: Operation, release_id: str, name: str, event_seq: int, manifest: Mapping[str, Any]
) -> None:
    """Register a release; neither its name nor its content can ever change."""
    found = op.connection.execute(select(releases).where(releases.c.name == name)).mappings()
    known = found.one_or_none() or op.get(releases, release_id)
    if known is not None and (known["release_id"], known["name"]) == (release_id, name):
        return
    if known is not None:
        raise StoreError(
            f"A release should have a name and a content of its own. Found {known['name']!r} "
            f"({known['release_id'][:12]})."
        )
    row = {
        "release_id": release_id,
        "name": name,
        "event_seq": event_seq,
        "manifest_json": json.dumps(manifest, sort_keys=True),
        "created_at": op.ts,
    }
    op.put(releases, row)


def _live_spans(connection: Connection, places: Sequence[Place]) -> dict[tuple[str, str], BarRows]:
    query = in_places(select(spans).where(spans.c.deleted_at.is_(None)), spans, places)
    by_layer: defaultdict[str, list[Row]] = defaultdict(list)
    for row in as_dicts(connection.execute(query)):
        by_layer[row["annotator"]].append(row)
    return {
        (layer, series_id): own
        for layer, rows in by_layer.items()
        for series_id, own in by_series(rows).items()
    }


def _as_judgement(row: Row, live: BarRows | None) -> Judgement:
    bar_start = row["bar_start"]
    return Judgement(
        window_uid=row["window_uid"],
        series_id=row["series_id"],
        bar_start=bar_start,
        layer=row["annotator"],
        state=row["state"],
        reason=row["reason"],
        mode=row["mode"],
        seconds=row["seconds"],
        note=row["note"],
        updated_at=as_time(row["updated_at"]),
        spans=tuple(
            as_span(span, bar_start)
            for span in (live.near(bar_start) if live else ())
            if lies_inside(span, bar_start)
        ),
    )
