import assert from "node:assert/strict";
import { test } from "node:test";
import * as views from "../../moola/ui/desk/view.js";
import { windowOf } from "./windows.mjs";

test("zooming keeps the bar under the pointer in its place", () => {
  const view = views.zoomed(views.WHOLE, 0.5, 70);
  assert.ok(Math.abs((70 - view.from) / (view.to - view.from) - 70 / 105) < 1e-9);
  assert.equal(view.to - view.from, 52.5);
});

test("panning never leaves the bars around the window", () => {
  assert.equal(views.panned(views.WHOLE, -1000).from, -200);
  assert.equal(views.panned(views.WHOLE, 1000).to, 305);
  assert.equal(views.isWhole(views.zoomed(views.zoomed(views.WHOLE, 0.5, 0), 2, 0)), true);
});

test("hidden bars are not among those that are drawn, and do not stretch the scale", () => {
  const item = windowOf("a");
  item.bars = { ...item.bars, h: item.bars.h.map((v, bar) => (bar === 90 ? 900 : v)) };
  const bars = views.visibleBars(item, null, 60);
  assert.equal(bars.at(-1).bar, 60);
  assert.ok(views.scaleOf(bars, views.WHOLE).high < 200);
  assert.ok(views.scaleOf(views.visibleBars(item, null, null), views.WHOLE).high > 900);
});

test("bars around the window come before and after it, once", () => {
  const item = windowOf("a");
  const n = 110;
  const column = Array.from({ length: n }, () => 100);
  const context = { start: -5, bars: { o: column, h: column, l: column, c: column } };
  const bars = views.visibleBars(item, context, null);
  assert.equal(bars.length, n);
  assert.deepEqual(bars.slice(0, 6).map((bar) => [bar.bar, bar.isContext]), [[-5, true], [-4, true], [-3, true], [-2, true], [-1, true], [0, false]]);
});

test("an uncertain edge makes a ramp, a sure one a step", () => {
  const sure = views.softMask([{ start_range: [3, 3], end_range: [5, 5] }], 8);
  assert.deepEqual(sure, [0, 0, 0, 1, 1, 1, 0, 0]);
  const soft = views.softMask([{ start_range: [1, 3], end_range: [5, 6] }], 8);
  assert.deepEqual(soft.map((v) => +v.toFixed(2)), [0, 0.33, 0.67, 1, 1, 1, 0.5, 0]);
});

test("a strip of equal probabilities is one run", () => {
  assert.deepEqual(views.stripRuns([0, 0.02, 0.5, 0.52, null, 1]), [{ from: 2, to: 4, level: 0.5 }, { from: 5, to: 6, level: 1 }]);
});
