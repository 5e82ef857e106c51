"""The app itself is killed in the middle of writes, again and again: no tick it gave was a lie.

``MOOLA_APP_KILLS`` sets how often (default 3); an app takes two seconds to start.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from collections import Counter
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from moola.store import Decision, LabelStore
from tests.browser.app_server import App, running_app
from tests.browser.desk_workspace import write_workspace
from tests.store.writing import plan

pytestmark = pytest.mark.slow

PERSON = "ann"
N_KILLS = int(os.environ.get("MOOLA_APP_KILLS", "3"))
AT_ONCE = 3
LONGEST_LIFE_S = 0.4
"""From the first tick to the kill: some dozens of writes."""


def post(app: App, decisions: list[Decision]) -> list[dict[str, Any]]:
    """Send operations as the desk does; raises OSError or HTTPException when the app is gone."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=30)
    try:
        body = json.dumps({"annotator": PERSON, "ops": [asdict(item) for item in decisions]})
        headers = {"Content-Type": "application/json", "X-Moola": "1"}
        connection.request("POST", "/desk/ops", body, headers)
        return json.loads(connection.getresponse().read())["answers"]
    finally:
        connection.close()


def send_until_killed(app: App, operations: list[Decision], acked: list[str]) -> None:
    """Send all that is not acknowledged, a few at a time, until nobody answers."""
    while len(acked) < len(operations):
        try:
            answers = post(app, operations[len(acked) : len(acked) + AT_ONCE])
        except (OSError, http.client.HTTPException, ValueError):
            return
        assert {answer["status"] for answer in answers} == {"done"}, answers
        acked += [answer["op_id"] for answer in answers]


def test_an_app_killed_in_the_middle_of_writes_keeps_every_tick_and_doubles_none(
    tmp_path: Path,
) -> None:
    workspace = write_workspace(tmp_path / "workspace")
    store = LabelStore.open(workspace.store_url)
    uids = [row.window_uid for row in store.windows()[::20]]
    operations = list(islice(plan(uids, PERSON), 400 * N_KILLS))
    chance, acked = random.Random(7), list[str]()
    for number in range(N_KILLS):
        known = len(acked)
        with running_app(workspace, tmp_path / f"{number}.log") as app:
            sender = threading.Thread(target=send_until_killed, args=(app, operations, acked))
            sender.start()
            deadline = time.monotonic() + 30
            while len(acked) == known and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, LONGEST_LIFE_S))
            app.kill()
            sender.join(timeout=60)
        assert len(acked) > known, "there was something to lose"
        written = Counter(event.op_id for event in store.events(limit=1_000_000))
        assert {op_id for op_id in acked if written[op_id] != 1} == set()
    print(f"{len(acked)} operations acknowledged by {N_KILLS} apps that were killed")
    assert len(acked) < len(operations), "no kill came in the middle"

    with running_app(workspace, tmp_path / "last.log") as app:
        sent = operations[: len(acked) + AT_ONCE]
        for first in range(0, len(sent), 50):
            assert {a["status"] for a in post(app, sent[first : first + 50])} == {"done"}
    again = Counter(event.op_id for event in store.events(limit=1_000_000))
    assert [again[decision.op_id] for decision in sent] == [1] * len(sent)
    assert store.find_damage() == []
    store.close()
