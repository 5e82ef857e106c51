"""The queue and the view of one window show what is stored, as it looks from that window."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from moola.exceptions import StoreError, UnknownWindow
from moola.proposals import ProposedSpan
from moola.store import Series
from tests.store.store_desk import Desk


def test_windows_come_by_series_and_bar(desk: Desk) -> None:
    desk.add_windows(300, 10, 200)
    assert [row.bar_start for row in desk.store.windows()] == [10, 200, 300]


def test_filters_hold_together(desk: Desk, feed: Series) -> None:
    one, two, three = desk.add_windows(0, 200, 400)
    desk.draw(one, 50, 60, type="reversal")
    desk.draw(two, 50, 60, type="retracement")
    desk.accept(two)
    store = desk.store
    assert [row.window_uid for row in store.windows(states=["verified", "unseen"])] == [two, three]
    assert [row.window_uid for row in store.windows(types=["reversal"])] == [one]
    assert store.windows(types=["reversal"], states=["verified"]) == []
    assert [row.window_uid for row in store.windows(uids=[three, one])] == [one, three]
    assert len(store.windows(series_id=feed.series_id)) == 3
    assert store.windows(series_id="another") == []
    assert store.windows(uids=[]) == []


def test_queues_longer_than_a_query_is_filtered_alike(desk: Desk) -> None:
    uids = desk.add_windows(*range(600))
    assert len(desk.store.windows()) == 600
    assert [row.bar_start for row in desk.store.windows(uids=uids[100:500])] == [*range(100, 500)]


def test_every_state_is_counted(desk: Desk) -> None:
    uids = desk.add_windows(0, 110, 220, 330, 440)
    desk.propose((600, 610, "reversal", 1.0))
    desk.draw(uids[0], 1, 2)
    desk.accept(uids[0])
    desk.draw(uids[1], 1, 2)
    desk.reject(uids[2])
    desk.store.flag(uids[3], rev=0, op_id="flag")
    assert desk.store.counts() == {
        "unseen": 1, "proposed": 1, "verified": 1, "edited": 1, "rejected": 1, "flagged": 1,
        "deferred": 0, "stale": 0,
    }  # fmt: skip


def test_a_span_counts_for_a_window_that_holds_it_wholly(desk: Desk) -> None:
    whole, right, left, touching, apart = desk.add_windows(100, 155, 60, 165, 166)
    desk.draw(whole, 50, 65)
    assert desk.spans(whole) == [(50, 65)]
    cut_right, cut_left = desk.store.window(right), desk.store.window(left)
    assert cut_right.spans == cut_left.spans == ()
    assert [(span.start, span.end) for span in cut_right.cut_spans] == [(-5, 10)]
    assert [(span.start, span.end) for span in cut_left.cut_spans] == [(90, 105)]
    assert [(span.start, span.end) for span in desk.store.window(touching).cut_spans] == [(-15, 0)]
    assert desk.store.window(apart).cut_spans == ()


def test_a_span_as_long_as_a_window_is_seen_from_both_sides(desk: Desk) -> None:
    whole, left, right = desk.add_windows(200, 96, 304)
    desk.draw(whole, 0, 104)
    assert desk.spans(whole) == [(0, 104)]
    for neighbour in (left, right):
        assert len(desk.store.window(neighbour).cut_spans) == 1


def test_one_view_and_all_views_agree(desk: Desk) -> None:
    uids = desk.add_windows(*range(0, 400, 35))
    desk.propose((120, 130, "reversal", 1.0), (310, 320, "retracement", 2.0))
    for uid in uids[::3]:
        if not desk.store.window(uid).spans:
            desk.draw(uid, 2, 9)
    assert [desk.store.window(view.window_uid) for view in desk.store.views()] == (
        desk.store.views()
    )


def test_the_queue_is_the_light_part_of_the_views(desk: Desk) -> None:
    desk.add_windows(0, alias="0_exp_1")
    (row,), (view,) = desk.store.windows(), desk.store.views()
    assert (row.window_uid, row.alias, row.state) == (view.window_uid, view.alias, view.state)
    assert not hasattr(row, "spans")


# proposals


def test_a_proposal_shows_in_every_window_that_holds_it(desk: Desk) -> None:
    near, far = desk.add_windows(90, 400)
    desk.propose((120, 130, "reversal", 1.5))
    view = desk.store.window(near)
    assert (view.state, view.types, view.score) == ("proposed", ("reversal",), 1.5)
    assert [(item.start, item.end, item.direction) for item in view.proposals] == [(30, 40, "up")]
    assert desk.store.window(far).state == "unseen"


def test_proposing_again_adds_nothing(desk: Desk) -> None:
    desk.propose((120, 130, "reversal", 1.0))
    before = desk.store.views(), desk.store.events()
    desk.propose((120, 130, "reversal", 1.0))
    assert (desk.store.views(), desk.store.events()) == before


def test_labelled_bars_are_not_proposed(desk: Desk, feed: Series) -> None:
    (uid,) = desk.add_windows(100)
    desk.draw(uid, 20, 30)
    found = [ProposedSpan(125, 140, "up", "reversal", 1.0)]
    summary = desk.store.propose(feed.series_id, found, op_id="propose")
    assert (summary.n_new, summary.n_labelled, summary.n_new_windows) == (0, 1, 0)
    assert "0 new proposals" in str(summary)


def test_of_overlapping_proposals_the_best_is_shown(desk: Desk) -> None:
    (uid,) = desk.add_windows(100)
    desk.propose((120, 130, "reversal", 1.0), (128, 140, "retracement", 2.0))
    view = desk.store.window(uid)
    assert [(item.start, item.end) for item in view.proposals] == [(28, 40)]


def test_new_windows_take_their_time_from_the_bars(desk: Desk, feed: Series) -> None:
    first = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
    times = [first + timedelta(minutes=bar) for bar in range(feed.n_bars)]
    found = [ProposedSpan(120, 130, "up", "reversal", 1.0)]
    desk.store.propose(feed.series_id, found, op_id="propose", timestamps=times)
    (view,) = desk.store.views()
    assert view.start_ts == times[view.bar_start]


# names


def test_windows_are_found_by_id_and_by_alias(desk: Desk) -> None:
    (uid,) = desk.add_windows(10, alias="batch_202510182107_010")
    assert desk.store.resolve(uid) == desk.store.resolve("batch_202510182107_010") == uid
    with pytest.raises(UnknownWindow, match="'nobody'"):
        desk.store.resolve("nobody")
    with pytest.raises(UnknownWindow, match="'nobody'"):
        desk.store.window("nobody")


def test_an_alias_means_one_window_of_its_file(desk: Desk) -> None:
    desk.add_windows(10, alias="w1")
    with pytest.raises(StoreError, match="should mean one window"):
        desk.add_windows(20, alias="w1")


def test_series_are_found_by_id_and_by_symbol(desk: Desk, feed: Series) -> None:
    assert desk.store.find_series("NQ") == desk.store.find_series(feed.series_id) == feed
    with pytest.raises(StoreError, match="the series are NQ-00000000"):
        desk.store.find_series("ES")
    with pytest.raises(StoreError, match="'ES'"):
        desk.store.get_series("ES")


def test_times_are_aware_and_utc(desk: Desk, feed: Series) -> None:
    stored = desk.store.get_series(feed.series_id)
    assert stored == feed
    assert stored.start_ts is not None
    assert stored.start_ts.utcoffset() == timedelta(0)
    (event,) = desk.store.events()
    assert event.ts.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(desk: Desk, feed: Series) -> None:
    naive = replace(feed, series_id="ES-11111111", start_ts=datetime(2024, 3, 4, 14, 30))
    with pytest.raises(StoreError, match="should carry a zone"):
        desk.store.add_series(naive, op_id="naive")


def test_a_series_id_stands_for_one_set_of_bars(desk: Desk, feed: Series) -> None:
    with pytest.raises(StoreError, match="Found other bars"):
        desk.store.add_series(replace(feed, content_hash="1" * 64), op_id="other")
    assert desk.store.add_series(replace(feed, source="copy.csv"), op_id="same") == feed


def test_a_window_outside_its_series_is_refused(desk: Desk) -> None:
    with pytest.raises(StoreError, match=r"0\.\.895.*Found bar 896"):
        desk.add_windows(896)


def test_annotators_do_not_see_one_another(desk: Desk) -> None:
    (uid,) = desk.add_windows(10)
    desk.draw(uid, 50, 65)
    other = desk.store.window(uid, annotator="ann")
    assert (other.state, other.spans, other.rev) == ("unseen", (), 0)
    desk.store.save_span(uid, 52, 60, rev=0, op_id="hers", annotator="ann")
    assert desk.spans(uid) == [(50, 65)]
    assert desk.store.counts(annotator="ann")["edited"] == 1


def test_the_version_changes_with_every_write_and_with_nothing_else(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    before = desk.store.version()
    desk.store.windows()
    assert desk.store.version() == before
    desk.draw(uid, 50, 60)
    assert desk.store.version() > before
