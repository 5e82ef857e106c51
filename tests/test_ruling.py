"""A change of the rule is shown before it is made, and makes stale just what it breaks."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from moola import ruling
from moola.bars import BarStore
from moola.cli import main
from moola.exceptions import ConfigError
from moola.proposals import RuleParams
from moola.proposing import propose_series
from moola.rules import DEFAULT_RULE, Limits, Rule, rule_markdown
from moola.store import CATCH, Decision, LabelStore
from moola.workspace import Workspace
from tests.store.store_desk import FEED
from tests.toy_bars import toy_bars

numbers = count()
AT_MOST_10 = Rule(rule_version="r2", text_md="Ten bars at most.\n", params={"bars_max": 10})


class People:
    """A workspace with three windows of one feed, and people who draw spans in it."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.store = LabelStore.open(self.workspace.store_url)
        self.bars = BarStore(self.workspace.bars_dir)
        frame = toy_bars(600)
        series = replace(FEED, content_hash=self.bars.write(frame), n_bars=len(frame))
        self.store.add_series(series, op_id="series")
        self.store.add_windows(series.series_id, [100, 150, 400], op_id="windows")
        self.uids = [row.window_uid for row in self.store.windows()]

    def apply(self, window: int, kind, who: str, layer: str | None = None, **args) -> None:
        uid = self.uids[window]
        rev = self.store.window(uid, annotator=layer or who).rev
        decision = Decision(
            op_id=f"ruling-{next(numbers)}", kind=kind, window_uid=uid, rev=rev, args=args
        )
        answer = self.store.apply([decision], annotator=who, layer=layer)[0]
        assert answer.status == "done", answer.message

    def draw(self, window: int, start: int, end: int, who: str, layer: str | None = None) -> None:
        span_id = f"{next(numbers):016x}"
        self.apply(window, "save_span", who, layer, span_id=span_id, new=True, start=start, end=end)

    def states(self, who: str) -> list[str]:
        return [self.store.window(uid, annotator=who).state for uid in self.uids]

    def publish(self, rule: Rule) -> ruling.Impact:
        return ruling.publish(
            self.store, self.bars, rule, author="anna", op_id=f"rule-{next(numbers)}"
        )


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(tmp_path)


def test_without_a_published_rule_the_default_one_is_in_force(people: People) -> None:
    assert ruling.current_rule(people.store) == DEFAULT_RULE
    ruling.ensure_rule(people.store, author="anna")
    ruling.ensure_rule(people.store, author="ben")
    assert [rule.author for rule in people.store.rules()] == ["anna"]
    assert ruling.current_rule(people.store) == DEFAULT_RULE


def test_the_impact_names_what_would_break_in_every_layer_and_changes_nothing(
    people: People,
) -> None:
    people.draw(0, 60, 75, "anna")  # bars 160..175 of the series, seen by windows 0 and 1
    people.apply(1, "accept", "anna")
    people.draw(2, 40, 45, "anna")
    people.draw(2, 40, 60, "ben")
    version = people.store.version()
    found = ruling.impact(people.store, people.bars, AT_MOST_10.limits)
    assert found.n_labels == 3
    assert [(b.layer, b.seq_start, b.seq_end, b.reasons) for b in found.breaks] == [
        ("anna", 160, 175, ("16 bars, at most 10 wanted",)),
        ("ben", 440, 460, ("21 bars, at most 10 wanted",)),
    ]
    first, second, third = people.uids
    assert sorted(found.stale) == sorted([(first, "anna"), (second, "anna"), (third, "ben")])
    assert (found.heals, found.still) == ((), ())
    assert people.store.version() == version
    assert str(found) == (
        "Of 3 labels the change breaks 2, in 3 windows to be looked at again; it heals 0, and 0 "
        "are broken before and after."
    )


def test_publishing_makes_exactly_the_newly_broken_windows_stale(people: People) -> None:
    people.draw(0, 10, 20, "anna")
    people.draw(2, 40, 45, "anna")
    people.draw(2, 40, 60, "ben")
    people.publish(AT_MOST_10)
    assert people.states("anna") == ["stale", "unseen", "edited"]
    assert people.states("ben") == ["unseen", "unseen", "stale"]
    assert [rule.rule_version for rule in people.store.rules()] == ["r2", "r1"]
    assert people.store.window(people.uids[2], annotator="ben").spans  # stale, never deleted
    assert people.store.find_damage() == []


def test_a_label_that_was_broken_before_is_not_asked_about_again(people: People) -> None:
    people.draw(2, 40, 60, "ben")
    people.publish(AT_MOST_10)
    people.apply(2, "accept", "ben")  # knowingly
    found = people.publish(Rule(rule_version="r3", text_md="Nine.\n", params={"bars_max": 9}))
    assert (len(found.breaks), len(found.still)) == (0, 1)
    assert people.states("ben")[2] == "verified"


def test_a_wider_rule_heals(people: People) -> None:
    people.draw(2, 40, 60, "ben")
    people.publish(AT_MOST_10)
    people.apply(2, "accept", "ben")
    (healed,) = people.publish(Rule(rule_version="r3", text_md="Any.\n", params={})).heals
    assert healed.reasons == ("21 bars, at most 10 wanted",)


def test_spans_of_rejected_windows_and_of_catch_trials_are_no_labels(people: People) -> None:
    people.draw(0, 10, 30, "anna", f"anna{CATCH}")
    people.draw(2, 40, 60, "ben")
    people.apply(2, "flag", "ben")
    assert ruling.impact(people.store, people.bars, AT_MOST_10.limits).n_labels == 0


def test_a_span_drawn_after_a_rule_was_published_carries_its_version(people: People) -> None:
    people.publish(AT_MOST_10)
    people.draw(0, 10, 15, "anna")
    (span,) = people.store.window(people.uids[0], annotator="anna").spans
    assert span.rule_version == "r2"


def test_the_net_move_is_measured_with_the_bars_before_the_window(people: People) -> None:
    people.draw(2, 0, 10, "ben")
    (label,) = ruling.impact(people.store, people.bars, Limits(move_atr_min=99)).breaks
    assert "net move" in label.reasons[0]
    assert "cold" not in label.reasons[0]


def run(people: People, *argv: str) -> int:
    return main(["rule", *argv, "--workspace", str(people.workspace.root)])


def test_the_command_shows_checks_and_publishes_a_rule(
    people: People, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people.draw(2, 40, 60, "ben")
    assert run(people) == 0
    shown = capsys.readouterr().out
    assert shown.strip() == rule_markdown(DEFAULT_RULE).strip()
    edited = tmp_path / "rule.md"
    edited.write_text(shown.replace('"bars_max": 30', '"bars_max": 12'), encoding="utf-8")
    assert run(people, "check", str(edited)) == 0
    assert "21 bars, at most 12 wanted" in capsys.readouterr().out
    assert people.states("ben")[2] == "edited"
    assert run(people, "publish", str(edited), "--author", "anna", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["rule_version"], len(answer["breaks"])) == ("r2", 1)
    assert people.states("ben")[2] == "stale"
    assert people.store.rules()[0].author == "anna"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["check"], "Found no FILE"),
        (["check", "nowhere.md"], "should be a text file"),
        (["publish", "same.md"], "Found r1 unchanged"),
        (["check", "odd.md"], "Found pace"),
    ],
)
def test_the_command_refuses_with_a_sentence(
    people: People, tmp_path: Path, monkeypatch, capsys, argv: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("same.md").write_text(rule_markdown(DEFAULT_RULE), encoding="utf-8")
    odd = Rule(rule_version="r2", text_md="Odd.", params={"pace": 3})
    Path("odd.md").write_text(rule_markdown(odd), encoding="utf-8")
    assert run(people, *argv) == 2
    assert message in capsys.readouterr().err


def test_a_rule_without_sense_is_never_published(people: People) -> None:
    with pytest.raises(ConfigError, match="Found pace"):
        people.publish(Rule(rule_version="r2", text_md="Odd.", params={"pace": 3}))
    assert people.store.rules() == []


@pytest.mark.parametrize(("published", "version"), [(None, "r1"), (AT_MOST_10, "r2")])
def test_proposals_carry_the_rule_in_force_when_they_were_made(
    people: People, published: Rule | None, version: str
) -> None:
    if published:
        people.publish(published)
    (series,) = people.store.series()
    loose = RuleParams(move_atr=1.0, pace=0.3, efficiency=0.3)
    propose_series(series, people.store, people.bars, op_id="propose", params=loose)
    found = [item.rule_version for view in people.store.views() for item in view.proposals]
    assert found
    assert set(found) == {version}
