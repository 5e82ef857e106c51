"""A report opens from the disk, without a server and without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from moola import report
from tests.epoch_rows import POINTERS_STARVED, epochs
from tests.toy import toy_run

pytestmark = pytest.mark.browser


@pytest.fixture
def report_file(tmp_path: Path) -> Path:
    run = toy_run(tmp_path, epochs=12)
    for row in epochs(12, loss=POINTERS_STARVED):
        run.append_history(row)
    run.write_status(state="stopped", epoch=12)
    (tmp_path / "r.html").write_text(report.as_html(run), encoding="utf-8")
    return tmp_path / "r.html"


def test_a_report_opens_offline_in_both_themes(browser: Browser, report_file: Path) -> None:
    backgrounds = set()
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, offline=True)
        page = context.new_page()
        failures: list[str] = []
        page.on("pageerror", lambda error, found=failures: found.append(str(error)))
        page.on("request", lambda r, found=failures: (
            None if r.url.startswith(("file:", "blob:", "data:")) else found.append(r.url)
        ))  # fmt: skip
        page.goto(report_file.as_uri())
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        assert page.locator(".js-plotly-plot").count() == 4
        expect(page.get_by_text("Pointers: loss silenced")).to_be_visible()
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert failures == []
        context.close()
    assert len(backgrounds) == 2


def test_a_figure_is_saved_as_a_picture_under_the_name_of_its_run(
    browser: Browser, report_file: Path, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto(report_file.as_uri())
    figure = page.locator(".js-plotly-plot").first
    figure.hover()
    with page.expect_download() as saving:
        figure.locator(".modebar-btn").first.click()
    assert saving.value.suggested_filename.endswith("-loss-shares.png")
    saving.value.save_as(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    page.close()
