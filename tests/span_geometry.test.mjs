import assert from "node:assert/strict";
import { test } from "node:test";
import * as g from "../moola/ui/span_geometry.js";

const N = 105;

test("dragging the start moves it but never past the end", () => {
  const from = { start: 50, end: 65 };
  const drag = (bar) => g.dragged({ mode: "start", from, pressBar: 50, bar, nBars: N });
  assert.deepEqual(drag(45), { start: 45, end: 65 });
  assert.deepEqual(drag(90), { start: 65, end: 65 });
});

test("dragging the end moves it but never before the start", () => {
  const from = { start: 50, end: 65 };
  const drag = (bar) => g.dragged({ mode: "end", from, pressBar: 65, bar, nBars: N });
  assert.deepEqual(drag(104), { start: 50, end: 104 });
  assert.deepEqual(drag(3), { start: 50, end: 50 });
});

test("words after a span of a lane have room up to the next span, or to the end", () => {
  const spans = [{ start: 10, end: 19 }, { start: 30, end: 39 }, { start: 90, end: 104 }];
  assert.deepEqual(spans.map((span) => g.roomAfter(spans, span, 4, 420)), [40, 200, 0]);
});

test("lanes stand above the prices, and without any the prices stay where they are", () => {
  const size = { width: 900, nBars: N, nPanes: 0, hasTimes: true };
  const plain = g.layout(size), two = g.layout({ ...size, nLanes: 2 });
  assert.deepEqual(plain.lanes, []);
  assert.ok(two.lanes.every((y) => y > 22 && y < two.priceTop));
  assert.equal(two.height - plain.height, two.priceTop - plain.priceTop);
});

test("moving keeps the length and stays inside the window", () => {
  const move = (bar) => g.dragged({ mode: "move", from: { start: 50, end: 65 }, pressBar: 55, bar, nBars: N });
  assert.deepEqual(move(57), { start: 52, end: 67 });
  assert.deepEqual(move(0), { start: 0, end: 15 });
  assert.deepEqual(move(104), { start: 89, end: 104 });
});

test("a new span includes both bars, whichever way it was drawn", () => {
  const draw = (pressBar, bar) => g.dragged({ mode: "new", from: null, pressBar, bar, nBars: N });
  assert.deepEqual(draw(20, 31), { start: 20, end: 31 });
  assert.deepEqual(draw(31, 20), { start: 20, end: 31 });
});

test("no gesture leaves the window or turns a span around", () => {
  for (const mode of ["start", "end", "move", "new"]) {
    for (let bar = 0; bar < N; bar += 1) {
      for (const from of [{ start: 0, end: 0 }, { start: 104, end: 104 }, { start: 0, end: 104 }, { start: 30, end: 74 }]) {
        const span = g.dragged({ mode, from, pressBar: from.start, bar, nBars: N });
        assert.ok(0 <= span.start && span.start <= span.end && span.end < N, JSON.stringify({ mode, bar, from, span }));
      }
    }
  }
});

test("an edge snaps to the nearest border between two bars", () => {
  assert.equal(g.edgeBarAt("start", 50.4 * 10, 10, N), 50);
  assert.equal(g.edgeBarAt("start", 50.6 * 10, 10, N), 51);
  assert.equal(g.edgeBarAt("end", 66 * 10, 10, N), 65);
  assert.equal(g.edgeBarAt("end", 0, 10, N), 0);
  assert.equal(g.edgeBarAt("start", 1060, 10, N), 104);
});

test("arrow keys stop at the other edge and at the window's border", () => {
  assert.deepEqual(g.nudged({ start: 50, end: 50 }, "start", 1, N), { start: 50, end: 50 });
  assert.deepEqual(g.nudged({ start: 0, end: 3 }, "start", -1, N), { start: 0, end: 3 });
  assert.deepEqual(g.nudged({ start: 100, end: 104 }, "end", 5, N), { start: 100, end: 104 });
  assert.deepEqual(g.nudged({ start: 50, end: 65 }, "end", -5, N), { start: 50, end: 60 });
});

test("the two handles of a short span never cover each other", () => {
  for (const width of [3, 8, 200]) {
    const start = g.handleBox("start", width, 22), end = g.handleBox("end", width, 22);
    assert.ok(start.x + start.width <= width + end.x + 1e-9);
    assert.ok(start.width >= 22 && end.width >= 22);
  }
});

test("targets are those of create_expansion_labels", () => {
  const mask = g.binaryTarget([{ start: 50, end: 65 }], N);
  assert.equal(mask.reduce((a, b) => a + b), 16);
  assert.deepEqual([mask[49], mask[50], mask[65], mask[66]], [0, 1, 1, 0]);
  const countdown = g.countdownTarget({ start: 50, end: 65 }, N);
  assert.deepEqual([countdown[45], countdown[50], countdown[55]], [5, 0, -5]);
});

test("the mask is the union of a window's spans", () => {
  const mask = g.binaryTarget([{ start: 0, end: 1 }, { start: 103, end: 104 }], N);
  assert.equal(mask.reduce((a, b) => a + b), 4);
});

test("decimals show one tick", () => {
  for (const [tick, decimals] of [[0.25, 2], [0.5, 1], [1, 0], [0.01, 2], [0.00001, 5], [10, 0], [null, 2]]) {
    assert.equal(g.decimalsOf(tick), decimals, String(tick));
  }
});

test("price ticks are round, lie on the tick grid and inside the range", () => {
  for (const [low, high, tick] of [[15801.3, 15902.1, 0.25], [15801.1, 15802.4, 0.25], [1.1012, 1.1019, 0.00001], [0.9, 3.2, null]]) {
    const { step, ticks } = g.priceTicks(low, high, tick, 6);
    assert.ok(ticks.length >= 2 && ticks.length <= 7, JSON.stringify({ low, high, step, ticks }));
    for (const value of ticks) {
      assert.ok(value >= low && value <= high);
      if (tick) assert.ok(Math.abs(value / tick - Math.round(value / tick)) < 1e-4);
    }
  }
});

test("prices have thousands separators before the point only", () => {
  assert.equal(g.formatPrice(15801.25, 2), "15,801.25");
  assert.equal(g.formatPrice(1234567, 0), "1,234,567");
  assert.equal(g.formatPrice(1.12345, 5), "1.12345");
});

test("the date stands at the first tick and at each new day", () => {
  const start = Date.UTC(2022, 0, 3, 23, 0) / 1000;
  const times = Array.from({ length: N }, (_, i) => start + 60 * i);
  assert.deepEqual(g.timeTicks(times, [0, 15, 60, 75]).map((t) => t.text), ["3 Jan 23:00", "23:15", "4 Jan 00:00", "00:15"]);
});

test("a hole in time is a seam before the bar that follows it", () => {
  const times = [0, 60, 120, 3720, 3780];
  assert.deepEqual(g.seams(times), [3]);
  assert.deepEqual(g.seams([0, 60, 120]), []);
});

test("panes keep a strip for their name and do not overlap", () => {
  for (const width of [358, 1100]) {
    const box = g.layout({ width, nBars: N, nPanes: 2, hasTimes: true });
    const [first, second] = box.panes;
    assert.ok(first.titleY < first.plotTop && first.plotTop + first.plotHeight <= second.top);
    assert.ok(second.plotTop + second.plotHeight <= box.plotBottom);
    assert.ok(box.plotWidth + box.axisWidth <= width && box.height < 640);
  }
});

test("a badge stays inside the plot", () => {
  assert.equal(g.badgeX(0, 10, 100, 800), 51);
  assert.equal(g.badgeX(790, 800, 100, 800), 749);
  assert.equal(g.badgeX(390, 410, 100, 800), 400);
});

test("a missing prediction leaves a hole in the curve", () => {
  assert.equal(g.curvePath([1, null, 2], 10, (v) => v), "M5.0 1.0M25.0 2.0");
});

test("one bar is one bar", () => {
  assert.equal(g.spanText({ start: 7, end: 7 }), "7 – 7 · 1 bar");
  assert.equal(g.spanText({ start: 50, end: 65 }), "50 – 65 · 16 bars");
});
