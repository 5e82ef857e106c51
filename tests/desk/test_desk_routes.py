"""The desk over HTTP: who may ask, what is answered, and every error as a sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from moola.ui import desk_routes
from moola.workspace import Workspace
from tests.desk.conftest import Office

BASE = "http://127.0.0.1:8501"
WRITES = {"X-Moola": "1"}


def client_of(workspace: Workspace, base: str = BASE) -> TestClient:
    return TestClient(Starlette(routes=desk_routes.routes(workspace)), base_url=base)


@pytest.fixture
def client(office: Office) -> Iterator[TestClient]:
    with client_of(office.workspace) as client:
        yield client


def flag(uid: str, op_id: str = "op") -> dict[str, Any]:
    op = {"op_id": op_id, "kind": "flag", "window_uid": uid, "rev": 0}
    return {"annotator": "ann", "client_id": "tab", "ops": [op]}


def test_a_queue_is_answered_with_windows_that_can_be_drawn(
    client: TestClient, office: Office
) -> None:
    answer = client.get("/desk/queue", params={"mode": "unlabelled", "annotator": "ann", "n": 3})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert [item["uid"] for item in found["items"]] == office.uids()[:3]
    item = found["items"][0]
    assert {name: len(column) for name, column in item["bars"].items()} == dict.fromkeys(
        "ohlcv", 105
    )
    assert len(item["times"]) == 105
    assert (item["tick"], item["n_bars_series"]) == (0.25, 1_890)
    after = client.get(
        "/desk/queue", params={"annotator": "ann", "n": 3, "after": found["cursor"]}
    ).json()
    assert [item["uid"] for item in after["items"]] == office.uids()[3:6]


def test_filters_and_held_windows_travel_in_the_address(client: TestClient, office: Office) -> None:
    uids = office.uids()
    office.decide(uids[0], "flag")
    office.decide(uids[1], "reject", reason="chop")
    asked = {"annotator": "ann", "mode": "all", "states": "flagged,rejected", "skip": uids[1]}
    assert [i["uid"] for i in client.get("/desk/queue", params=asked).json()["items"]] == uids[:1]
    assert client.get("/desk/queue", params={"series": "ES"}).json()["items"] == []


def test_a_window_is_found_by_its_id_and_its_bars_have_bars_around_them(
    client: TestClient, office: Office
) -> None:
    uid = office.uids()[1]
    item = client.get(f"/desk/window/{uid}").json()
    assert (item["uid"], item["bar_start"]) == (uid, 105)
    around = client.get(f"/desk/context/{uid}", params={"before": 200, "after": 10}).json()
    assert around["start"] == -105  # the series has no bars before that
    assert len(around["bars"]["o"]) == len(around["times"]) == 105 + 105 + 10
    assert around["bars"]["c"][105:210] == item["bars"]["c"]


def test_operations_are_written_and_answered(client: TestClient, office: Office) -> None:
    uid = office.uids()[0]
    answer = client.post("/desk/ops", json=flag(uid), headers=WRITES)
    assert answer.status_code == 200
    assert answer.json()["answers"][0]["item"]["state"] == "flagged"
    assert office.store.window(uid, annotator="ann").state == "flagged"
    (event, *_) = office.store.events()
    assert event.payload["client"] == "tab"
    again = client.post("/desk/ops", json=flag(uid), headers=WRITES)
    assert again.json()["answers"] == answer.json()["answers"]


def test_keys_are_kept_for_each_person(client: TestClient) -> None:
    keys = {"keys": {"accept": "Q"}}
    assert client.get("/desk/preferences", params={"annotator": "ann"}).json() == {"keys": {}}
    put = client.put("/desk/preferences?annotator=ann", json=keys, headers=WRITES)
    assert put.json() == keys
    assert client.get("/desk/preferences", params={"annotator": "ann"}).json() == keys
    assert client.get("/desk/preferences", params={"annotator": "bob"}).json() == {"keys": {}}
    wrong = client.put("/desk/preferences?annotator=ann", json={"keys": ["Q"]}, headers=WRITES)
    assert wrong.status_code == 400


def test_the_rule_in_force_is_told(client: TestClient) -> None:
    rule = client.get("/desk/rule").json()
    assert rule["rule_version"] == "r1"
    assert "Expansion" in rule["text_md"]
    assert rule["params"]["bars_max"] == 30


REFUSED = {
    "no header of our own": ({}, {}, 403, "X-Moola"),
    "another origin": (WRITES, {"Origin": "http://evil.example"}, 403, "evil.example"),
    "another port": (WRITES, {"Origin": "http://127.0.0.1:9999"}, 403, "9999"),
    "an opaque origin": (WRITES, {"Origin": "null"}, 403, "null"),
    "another site": (WRITES, {"Sec-Fetch-Site": "cross-site"}, 403, "another site"),
    "a foreign name for this machine": (WRITES, {"Host": "evil.example:8501"}, 403, "evil.example"),
    "no name at all": (WRITES, {"Host": ""}, 403, "host"),
    "a form": (WRITES, {"Content-Type": "application/x-www-form-urlencoded"}, 415, "json"),
    "plain text": (WRITES, {"Content-Type": "text/plain"}, 415, "text/plain"),
}


@pytest.mark.parametrize(("given", "more", "status", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_write_of_another_site_is_refused_and_writes_nothing(
    client: TestClient, office: Office, given: dict, more: dict, status: int, said: str
) -> None:
    headers = {"Content-Type": "application/json", **given, **more}
    body = json.dumps(flag(office.uids()[0]))
    answer = client.post("/desk/ops", content=body, headers=headers)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert office.store.window(office.uids()[0], annotator="ann").rev == 0


@pytest.mark.parametrize("base", [BASE, "http://localhost:8501", "http://[::1]:8501"])
def test_the_page_itself_may_write_under_each_name_of_this_machine(
    office: Office, base: str
) -> None:
    headers = WRITES | {"Origin": base, "Sec-Fetch-Site": "same-origin"}
    with client_of(office.workspace, base) as client:
        answer = client.post("/desk/ops", json=flag(office.uids()[0]), headers=headers)
    assert answer.json()["answers"][0]["status"] == "done"


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_not_even_a_reading_request_of_another_site_is_answered(
    client: TestClient, headers: dict
) -> None:
    assert client.get("/desk/queue", headers=headers).status_code == 403


WRONG = {
    "an unknown queue": ("/desk/queue?mode=newest", 400, "unlabelled"),
    "a page of nothing": ("/desk/queue?n=0", 400, "1 to 100"),
    "a page that is no number": ("/desk/queue?n=many", 400, "whole number"),
    "a name of a layer": ("/desk/queue?annotator=ann~repeat", 400, "~"),
    "an unknown run": ("/desk/queue?mode=run&run=none", 400, "none"),
    "a false place": ("/desk/queue?after=xyz", 400, "place in the queue"),
    "an unknown window": ("/desk/window/nowhere", 404, "nowhere"),
    "an unknown mode": ("/desk/window/nowhere?mode=loud", 400, "loud"),
    "too much context": ("/desk/context/nowhere?before=99999", 400, "2000"),
}


@pytest.mark.parametrize(("path", "status", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_answered_is_a_sentence(
    client: TestClient, path: str, status: int, said: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    "body", ["{", "[]", '"flag"', "{}", '{"ops": [1]}', '{"ops": [], "annotator": 3}']
)
def test_a_body_that_is_no_request_is_a_sentence(client: TestClient, body: str) -> None:
    headers = WRITES | {"Content-Type": "application/json; charset=utf-8"}
    answer = client.post("/desk/ops", content=body, headers=headers)
    assert answer.status_code == 400
    assert "should" in answer.json()["error"]


def test_a_body_without_end_is_not_read_to_its_end(client: TestClient) -> None:
    body = b'{"ops": "' + b"x" * desk_routes.MOST_BYTES + b'"}'
    headers = WRITES | {"Content-Type": "application/json"}
    assert client.post("/desk/ops", content=body, headers=headers).status_code == 413


def test_a_workspace_that_nobody_opened_is_not_made_by_an_old_tab(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "new")
    with client_of(workspace) as client:
        answer = client.post("/desk/ops", json=flag("0" * 16), headers=WRITES)
    # 503: the tab keeps what it has and tries again
    assert (answer.status_code, "empty" in answer.json()["error"]) == (503, True)
    assert not workspace.root.exists()
