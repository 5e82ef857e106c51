"""What a page that follows a run gets from the server, and who gets it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.testclient import TestClient

from moola.config import FinetuneConfig
from moola.runs import RunFolder, create_run
from moola.ui import monitor_routes
from moola.workspace import Workspace
from tests.pages.conftest import history_row


@pytest.fixture
def run(empty: Workspace) -> RunFolder:
    run = create_run(empty.runs_dir, FinetuneConfig(epochs=10), name="a")
    run.append_history(history_row(1, metrics_95={"hit_at_3": [0.5, 0.8]}))
    run.write_status(state="stopped", epoch=1)
    return run


@pytest.fixture
def client(empty: Workspace) -> Iterator[TestClient]:
    app = Starlette(
        routes=monitor_routes.routes(empty), middleware=[Middleware(GZipMiddleware)]
    )  # as in the app
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def test_news_that_a_tab_has_not_seen_come_at_once(client: TestClient, run: RunFolder) -> None:
    news = client.get("/monitor/wait", params={"run": run.id, "states": "", "rows": ""}).json()
    assert news["states"] == f"{run.id}=stopped"
    assert news["rows"] == "1@2.0"
    assert news["judged"]
    assert not news["is_live"]


def test_a_tile_tells_its_metric_with_interval_against_its_target(
    client: TestClient, run: RunFolder
) -> None:
    hit, countdown, *_ = client.get("/monitor/figures", params={"run": run.id}).json()["tiles"]
    assert (hit["value"], hit["interval"]) == ("70.0%", "50.0% to 80.0%")
    assert hit["verdict"] == "undecided", "the interval holds the target"
    assert (countdown["interval"], countdown["verdict"]) == (None, "met")


def test_plotly_is_kept_by_the_browser_and_packed_for_nobody(client: TestClient) -> None:
    answer = client.get(monitor_routes.PLOTLY_URL)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "identity"
    assert len(answer.content) == monitor_routes.PLOTLY.stat().st_size


def test_what_there_is_not_is_not_found_and_another_site_gets_nothing(
    client: TestClient, run: RunFolder
) -> None:
    assert client.get("/monitor/figures", params={"run": "../a"}).status_code == 404
    foreign = {"Origin": "http://elsewhere.example"}
    for path in ("wait", "figures", "plotly.js"):
        answer = client.get(f"/monitor/{path}", params={"run": run.id}, headers=foreign)
        assert answer.status_code == 403
