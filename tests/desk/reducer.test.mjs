import assert from "node:assert/strict";
import { test } from "node:test";
import * as desk from "../../moola/ui/desk/state.js";
import { deskWith, proposal, proposed, windowOf } from "./windows.mjs";

const kinds = (it) => it.out.map((entry) => entry.op.kind);
const last = (it) => it.out.at(-1);

test("accept writes one operation, shows the spans and goes on", () => {
  const it = deskWith([proposed("a", proposal(50, 65)), windowOf("b")]);
  it.do("accept");
  assert.equal(it.current(), "b");
  assert.deepEqual(kinds(it), ["accept"]);
  assert.equal(last(it).op.rev, 0);
  const shown = it.shown("a");
  assert.equal(shown.state, "verified");
  assert.deepEqual(shown.spans.map((s) => [s.start, s.end]), [[50, 65]]);
});

test("nothing drawn is nothing to accept", () => {
  const it = deskWith([windowOf("a")]);
  it.do("accept");
  assert.deepEqual(kinds(it), []);
  assert.equal(it.current(), "a");
  assert.match(it.state.notice.text, /Nothing is drawn/);
});

test("a digit within 1.5 s gives the rejected window its reason, later it is a class", () => {
  const it = deskWith([windowOf("a"), proposed("b", proposal(50, 65))]);
  it.do("reject");
  assert.equal(it.shown("a").reason, "no_expansion");
  it.now += 1499;
  it.do("digit", { number: 5 });
  assert.equal(it.shown("a").reason, "chop");
  assert.equal(last(it).op.after, it.out[0].op.op_id);
  it.do("digit", { number: 3 });
  assert.equal(it.shown("b").spans[0].type, "reversal");
  assert.equal(it.shown("a").reason, "chop");
});

test("after 1.5 s the digit no longer reaches back", () => {
  const it = deskWith([windowOf("a"), proposed("b", proposal(50, 65))]);
  it.do("reject");
  it.now += 1501;
  it.do("digit", { number: 5 });
  assert.equal(it.shown("a").reason, "no_expansion");
  assert.deepEqual(kinds(it), ["reject"]);
});

test("the second operation on a window names the first, until that is answered", () => {
  const it = deskWith([proposed("a", proposal(50, 65))]);
  it.do("nudge", { by: 1 });
  it.now += 1000;
  it.do("change", { values: { grade: "A" } });
  const [first, second] = it.out;
  assert.equal(second.op.after, first.op.op_id);
  it.answer(first, { ...it.shown("a"), rev: 1 });
  it.answer(second, { ...it.shown("a"), rev: 2 });
  it.do("change", { values: { grade: "B" } });
  assert.equal(last(it).op.rev, 2);
  assert.equal(last(it).op.after, undefined);
});

test("nudges of one moment are one operation, and a pause ends it", () => {
  const it = deskWith([proposed("a", proposal(50, 65))]);
  for (let i = 0; i < 4; i += 1) it.do("nudge", { by: 1 });
  assert.equal(it.out.length, 1);
  assert.equal(it.out[0].op.args.start, 54);
  assert.equal(it.out[0].op.args.new, true);
  it.now += desk.HOLD_MS + 1;
  it.do("nudge", { by: 1 });
  assert.equal(it.out.length, 2);
  assert.equal(it.out[1].op.args.start, 55);
  assert.equal(it.out[1].op.args.new, false);
});

test("no span is dragged or nudged over another one", () => {
  const spans = [{ id: "s", start: 20, end: 30 }, { id: "t", start: 31, end: 40 }];
  const it = deskWith([windowOf("a", { state: "edited", spans })]);
  it.do("pick", { id: "t", edge: "start" });
  it.do("nudge", { by: -5 });
  assert.deepEqual(kinds(it), []);
  it.do("pick", { id: "s", edge: "end" });
  it.do("nudge", { by: 1 });
  assert.deepEqual(kinds(it), []);
  it.do("nudge", { by: -1 });
  assert.deepEqual(it.shown("a").spans.map((s) => [s.start, s.end]), [[20, 29], [31, 40]]);
});

test("what is uncertain moves with its edge and stays inside the span and the window", () => {
  const it = deskWith([windowOf("a", { state: "edited", spans: [{ id: "s", start: 2, end: 6 }] })]);
  for (let i = 0; i < 4; i += 1) it.do("widen", { by: 1 });
  assert.deepEqual(it.shown("a").spans[0].start_range, [0, 6]);
  it.do("widen", { by: -1 });
  assert.deepEqual(it.shown("a").spans[0].start_range, [1, 5]);
  it.do("nudge", { by: 1 });
  const [span] = it.shown("a").spans;
  assert.deepEqual([span.start, span.start_range], [3, [2, 6]]);
});

test("a new span takes the free bars at the cursor", () => {
  const it = deskWith([windowOf("a", { state: "edited", spans: [{ id: "s", start: 50, end: 60 }] })]);
  it.do("bar", { bar: 46 });
  it.do("new_span");
  assert.deepEqual(it.shown("a").spans.map((s) => [s.start, s.end]), [[46, 49], [50, 60]]);
  it.do("bar", { bar: 55 });
  it.do("new_span");
  assert.match(it.state.notice.text, /lies in a span/);
});

test("removing one of two proposals keeps the other as a span", () => {
  const it = deskWith([proposed("a", proposal(20, 30), proposal(50, 65))]);
  it.do("delete_span");
  assert.deepEqual(it.shown("a").spans.map((s) => [s.start, s.end]), [[50, 65]]);
});

test("undo and redo cross windows and show where they were", () => {
  const it = deskWith([proposed("a", proposal(50, 65)), windowOf("b"), windowOf("c")]);
  it.do("accept");
  it.do("reject");
  it.do("undo");
  assert.equal(it.current(), "b");
  assert.equal(it.shown("b").state, "unseen");
  it.do("undo");
  assert.equal(it.current(), "a");
  assert.deepEqual([it.shown("a").state, it.shown("a").spans], ["proposed", []]);
  it.do("redo");
  assert.equal(it.shown("a").state, "verified");
  it.do("redo");
  assert.equal(it.shown("b").state, "rejected");
  assert.deepEqual(kinds(it), ["accept", "reject", "undo", "undo", "redo", "redo"]);
  assert.equal(last(it).op.window_uid, null);
});

test("undo of what this tab does not remember waits for the server and goes there", () => {
  const it = deskWith([windowOf("a"), windowOf("b", { state: "rejected", reason: "chop", rev: 1 })]);
  const [entry] = it.do("undo");
  assert.equal(entry.key, null);
  it.answer(entry, { ...windowOf("b"), rev: 2, bars: undefined });
  assert.equal(it.current(), "b");
  assert.equal(it.shown("b").state, "unseen");
});

test("progress counts decisions that the server has not seen yet", () => {
  const it = deskWith([proposed("a", proposal(50, 65)), windowOf("b"), windowOf("c")]);
  it.do("accept");
  it.do("reject");
  it.do("defer");
  assert.deepEqual(it.state.progress, { done: 2, total: 10, rejected: 1, kept: 1 });
  it.do("undo");
  it.do("undo");
  assert.deepEqual(it.state.progress, { done: 1, total: 10, rejected: 0, kept: 1 });
  it.do("queue", { response: { items: [], progress: { done: 0, total: 10, rejected: 0, kept: 0 } } });
  assert.equal(it.state.progress.done, 1);
});

test("a decision that the server has counted before it is answered counts once", () => {
  const it = deskWith([windowOf("a"), windowOf("b")]);
  const [sent] = it.do("reject");
  it.do("queue", { response: { items: [], progress: { done: 1, total: 10, rejected: 1, kept: 0 } } });
  assert.equal(it.state.progress.done, 1);
  it.answer(sent, { ...it.shown("a"), rev: 1 });
  assert.equal(it.state.progress.done, 1);
});

test("an audit's windows count once they were looked at, and each says what is doubted", () => {
  const decided = { state: "verified", rev: 1, spans: [{ id: "s", start: 10, end: 20, broken: [] }] };
  const windows = ["a", "b"].map((uid) => windowOf(uid, decided));
  const it = deskWith(windows);
  assert.deepEqual([desk.meter(it.state).words, desk.doubtOf(it.state)], ["done", null]);
  const audit = { sent_at: "t1", looked: ["x"], doubts: { x: "why x", a: "why a", b: "why b" } };
  it.do("queue", { response: { items: [], audit } });
  assert.deepEqual(desk.meter(it.state), { done: 1, total: 3, words: "looked at" });
  assert.equal(desk.doubtOf(it.state), "why a");
  const [sent] = it.do("accept");
  assert.deepEqual([desk.meter(it.state).done, desk.doubtOf(it.state)], [2, "why b"]);
  it.do("queue", { response: { items: [], audit } });
  it.answer(sent, { ...it.shown("a"), rev: 2 });
  it.do("queue", { response: { items: [], audit } });
  assert.equal(desk.meter(it.state).done, 2, "an answer that was on its way does not take it back");
  it.do("queue", { response: { items: [], audit: { sent_at: "t2", looked: [], doubts: { a: null } } } });
  assert.deepEqual(desk.meter(it.state), { done: 0, total: 1, words: "looked at" });
});

test("the queue asks for more in time and never for what it holds", () => {
  const it = deskWith(Array.from({ length: 25 }, (_, i) => windowOf(`w${i}`)));
  assert.equal(desk.wantsMore(it.state), false);
  for (let i = 0; i < 13; i += 1) it.do("reject");
  assert.equal(desk.wantsMore(it.state), true);
  assert.ok(desk.skipped(it.state).includes("w0"));
  assert.ok(desk.skipped(it.state).includes("w24"));
  it.do("queue", { response: { items: [windowOf("w24")] } });
  assert.equal(it.state.exhausted, true);
});

test("hidden bars hide proposals that begin in them", () => {
  const it = deskWith([proposed("a", proposal(50, 65))]);
  it.do("bar", { bar: 40 });
  it.do("hide");
  assert.equal(desk.activeSpan(it.state), null);
  for (let i = 0; i < 10; i += 1) it.do("replay");
  assert.equal(desk.activeSpan(it.state).start, 50);
});

test("the gallery accepts the ticked in one transaction and keeps the others for the desk", () => {
  const windows = Array.from({ length: 30 }, (_, i) => proposed(`w${i}`, proposal(50, 65, `p${i}`)));
  const it = deskWith(windows);
  it.do("gallery");
  it.do("digit", { number: 2 });
  it.do("cell", { number: 12 });
  it.do("accept");
  assert.equal(it.out.length, 10);
  assert.equal(new Set(it.out.map((entry) => entry.group)).size, 1);
  assert.equal(desk.galleryKeys(it.state)[0], "w12");
  it.do("gallery");
  assert.equal(it.current(), "w1");
  it.do("undo");
  assert.equal(it.out.filter((entry) => entry.op.kind === "undo").length, 10);
  assert.equal(it.shown("w0").state, "proposed");
});

test("a window of the gallery opens in the desk", () => {
  const it = deskWith([proposed("a", proposal(1, 9)), proposed("b", proposal(1, 9)), proposed("c", proposal(1, 9))]);
  it.do("gallery");
  it.do("open_cell", { key: "c" });
  assert.equal(it.current(), "c");
  assert.equal(it.state.overlay, null);
});

test("a second judgement goes to a layer of its own", () => {
  const it = deskWith([proposed("a", proposal(50, 65)), { ...windowOf("a"), mode: "repeat" }, windowOf("b")]);
  it.do("accept");
  assert.equal(it.current(), "a~repeat");
  it.do("reject");
  const [first, second] = it.out;
  assert.deepEqual([first.key, second.key], ["a", "a~repeat"]);
  assert.equal(second.op.mode, "repeat");
  assert.equal(second.op.window_uid, "a");
  assert.equal(it.shown("a").state, "verified");
});
