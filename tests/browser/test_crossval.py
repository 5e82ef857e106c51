"""A cross-validation from the browser: started, followed, reviewed, its doubts sent to the desk."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from moola.audit import read_sent
from moola.runs import list_runs
from tests.browser.app_server import App

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST_SAMPLE_TIMEOUT_MS = 120_000
TRAINING_TIMEOUT_MS = 180_000


def test_cross_validate_review_and_send_the_doubtful_labels(app: App, page: Page) -> None:
    page.goto(app.url)
    expect(page.get_by_test_id("span-chart")).to_be_visible(timeout=FIRST_SAMPLE_TIMEOUT_MS)

    # Two folds of two epochs, started and followed on the Fine-tune page.
    page.goto(f"{app.url}/finetune")
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("2")
    epochs.press("Enter")
    page.get_by_text("Cross-validate", exact=True).first.click()
    folds = page.get_by_role("spinbutton", name="Folds")
    folds.fill("2")
    folds.press("Enter")
    page.get_by_role("button", name="Cross-validate").click()
    expect(page.get_by_text(re.compile("Started crossval")).first).to_be_visible()
    review = page.get_by_role("link", name=re.compile("Review crossval"))
    expect(review).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
    (run,) = list_runs(app.workspace.runs_dir, kinds=("crossval",))
    uids = set(run.examples().window_uid.tolist())
    predicted = run.predictions()
    assert predicted is not None
    assert set(predicted["window_uid"]) == uids

    # Every label was held out, so every one is reviewed, and can be doubted.
    review.click()
    expect(page.get_by_test_id("pane-start")).to_be_visible(timeout=60_000)
    page.get_by_text("Label audit", exact=True).click()
    expect(page.get_by_text(f"{len(uids)} labels held out.")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Send to labelling").click()
    expect(page.get_by_text("Sent 20 windows to the desk")).to_be_visible()
    sent = read_sent(run.path)
    assert sent is not None
    page.get_by_role("link", name="Open the queue").click()
    expect(page).to_have_url(re.compile("mode=audit&run="))
    first = next(iter(sent.windows))
    expect(page.locator(f'[data-window="{first}"]')).to_be_visible(timeout=20_000)
    expect(page.get_by_test_id("handle-start")).to_be_visible()

    # Sent blind in place of those, the same window opens without its label.
    page.get_by_role("link", name="Review", exact=True).click()
    page.get_by_text("Label audit", exact=True).click()
    page.get_by_role("button", name="Send blind").click()
    expect(page.get_by_text("judged blind as before")).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=20_000
    )
    page.get_by_role("link", name="Open the queue").click()
    expect(page).to_have_url(re.compile("mode=audit-blind&run="))
    expect(page.locator(f'[data-window="{first}"]')).to_be_visible(timeout=20_000)
    expect(page.get_by_test_id("desk-state")).to_have_text("unseen")
    expect(page.get_by_test_id("handle-start")).to_be_hidden()
