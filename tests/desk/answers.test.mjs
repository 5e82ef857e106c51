import assert from "node:assert/strict";
import { test } from "node:test";
import * as items from "../../moola/ui/desk/item.js";
import { deskWith, proposal, proposed, windowOf } from "./windows.mjs";

const bare = (item) => ({ ...item, bars: undefined, times: undefined });

test("an answer replaces what was predicted and keeps the bars", () => {
  const it = deskWith([proposed("a", proposal(50, 65)), windowOf("b")]);
  const [entry] = it.do("accept");
  const server = { ...bare(it.shown("a")), rev: 1, spans: [{ id: "real", start: 50, end: 65, type: "retracement", broken: ["too short"] }] };
  it.answer(entry, server);
  assert.equal(it.state.pending.length, 0);
  assert.equal(it.shown("a").spans[0].id, "real");
  assert.equal(it.shown("a").bars.c.length, 105);
});

test("an older answer never replaces a newer one", () => {
  const it = deskWith([windowOf("a", { rev: 3, note: "new" })]);
  it.do("window", { item: bare(windowOf("a", { rev: 2, note: "old" })) });
  assert.equal(it.shown("a").note, "new");
});

test("an edit of an adopted span takes the name that the server gave it", () => {
  const it = deskWith([proposed("a", proposal(50, 65)), windowOf("b")]);
  const [accept] = it.do("accept");
  it.do("previous");
  const [edit] = it.do("change", { values: { grade: "A" } });
  assert.ok(items.isBorrowed(edit.op.args.span_id));
  const spans = [{ id: "real", start: 50, end: 65, type: "retracement" }];
  const changed = it.answer(accept, { ...bare(windowOf("a")), state: "verified", rev: 1, spans });
  assert.equal(changed[0].op.args.span_id, "real");
  assert.equal(it.shown("a").spans[0].grade, "A");
});

test("a refusal shows its sentence and the window as the server holds it", () => {
  const it = deskWith([windowOf("a"), windowOf("b")]);
  const [entry] = it.do("reject");
  it.answer(entry, { ...bare(windowOf("a")), rev: 0 }, "refused", "Not like this.");
  assert.equal(it.shown("a").state, "unseen");
  assert.match(it.state.notice.text, /A: Not like this/);
  assert.equal(it.state.history.length, 0);
});

test("what rested on a refused operation goes on from what the server holds", () => {
  const it = deskWith([windowOf("a"), windowOf("b")]);
  const [reject] = it.do("reject");
  it.do("digit", { number: 5 });
  const [changed] = it.answer(reject, { ...bare(windowOf("a")), rev: 4 }, "refused", "No.");
  assert.equal(changed.op.rev, 4);
  assert.equal(changed.op.after, undefined);
});

test("a conflict keeps both versions until one is chosen", () => {
  const it = deskWith([windowOf("a"), windowOf("b")]);
  const [reject] = it.do("reject");
  it.do("digit", { number: 5 });
  const theirs = { ...bare(windowOf("a")), state: "edited", rev: 7, spans: [{ id: "t", start: 5, end: 9, type: "reversal" }] };
  it.answer(reject, theirs, "conflict", "changed meanwhile");
  assert.equal(it.state.pending.length, 0);
  const [conflict] = it.state.conflicts;
  assert.deepEqual([conflict.mine.state, conflict.mine.reason], ["rejected", "chop"]);
  assert.equal(it.shown("a").state, "edited");
  it.answer(it.out[1], theirs, "conflict", "the one before was not taken");
  assert.deepEqual(it.state.conflicts, [conflict]);

  const entries = it.do("resolve", { key: "a", choice: "mine" });
  assert.deepEqual(entries.map((entry) => [entry.op.kind, entry.op.args.reason, entry.op.rev]), [["reject", "chop", 7]]);
  assert.equal(it.shown("a").state, "rejected");
  assert.equal(it.state.conflicts.length, 0);
});

test("taking theirs writes nothing", () => {
  const it = deskWith([windowOf("a"), windowOf("b")]);
  const [reject] = it.do("reject");
  it.answer(reject, { ...bare(windowOf("a")), state: "flagged", rev: 2 }, "conflict", "changed");
  assert.deepEqual(it.do("resolve", { key: "a", choice: "theirs" }), []);
  assert.equal(it.shown("a").state, "flagged");
});

test("keeping mine deletes their spans, draws mine again and decides as I did", () => {
  const theirs = windowOf("a", { state: "edited", spans: [{ id: "t", start: 5, end: 9 }, { id: "both", start: 30, end: 40 }], note: "" });
  const mine = { state: "verified", reason: null, note: "sure", spans: [{ id: "both", start: 31, end: 40 }, { id: "m", start: 60, end: 70 }] };
  let n = 0;
  const ops = items.opsToReach(theirs, mine, () => `new${(n += 1)}`);
  assert.deepEqual(ops.map((op) => [op.kind, op.args.span_id ?? null, op.args.new ?? null]), [
    ["delete_span", "t", null], ["save_span", "both", false], ["save_span", "new1", true], ["set_note", null, null], ["accept", null, null],
  ]);
  assert.deepEqual(items.opsToReach(theirs, items.decisionPart(theirs), () => "x"), []);
});

test("a neighbour's new revision is taken by what waits for it", () => {
  const it = deskWith([windowOf("a"), windowOf("b", { bar_start: 50 }), windowOf("c")]);
  const [first] = it.do("reject");
  const [second] = it.do("reject");
  assert.equal(second.op.rev, 0);
  const response = { answers: [{ op_id: first.op.op_id, status: "done", message: null, rev: 1, item: { ...bare(it.shown("a")), rev: 1 } }], neighbours: [bare(windowOf("b", { bar_start: 50, rev: 1 }))] };
  const [changed] = it.do("answers", { entries: [first], response });
  assert.deepEqual([changed.op.op_id, changed.op.rev], [second.op.op_id, 1]);
});

test("a neighbour that nobody has decided shows the spans it was given", () => {
  const it = deskWith([proposed("a", proposal(50, 65)), proposed("b", proposal(20, 35))]);
  const [sent] = it.do("accept");
  const spans = [{ id: "s1", start: 20, end: 35, type: "retracement", direction: "up" }];
  const response = { answers: [{ op_id: sent.op.op_id, status: "done", message: null, rev: 1, item: { ...bare(it.shown("a")), rev: 1 } }], neighbours: [{ ...bare(windowOf("b")), spans, proposals: [] }] };
  it.do("answers", { entries: [sent], response });
  assert.deepEqual(it.shown("b").spans.map((span) => span.id), ["s1"]);
  assert.deepEqual(it.shown("b").proposals, []);
});

test("a gallery that failed for one window is sent again without it", () => {
  const windows = ["a", "b", "c"].map((uid) => proposed(uid, proposal(50, 65)));
  const it = deskWith(windows);
  it.do("gallery");
  const sent = it.do("accept");
  const answers = sent.map(({ op }, i) => ({ op_id: op.op_id, status: "conflict", message: "one failed", rev: null, item: i === 1 ? { ...bare(windows[1]), state: "flagged", rev: 3 } : null }));
  const again = it.do("answers", { entries: sent, response: { answers } });
  assert.deepEqual(again.map((entry) => entry.key), ["a", "c"]);
  assert.equal(new Set(again.map((entry) => entry.group)).size, 1);
  assert.notEqual(again[0].group, sent[0].group);
  assert.deepEqual(it.state.conflicts.map((conflict) => conflict.key), ["b"]);
  assert.deepEqual(it.state.pending.map((entry) => entry.op.op_id), again.map((entry) => entry.op.op_id));
});

test("what another tab sends again is not sent by this one, too", () => {
  const it = deskWith([proposed("a", proposal(50, 65)), proposed("b", proposal(50, 65))]);
  it.do("gallery");
  const sent = it.do("accept");
  const answers = [{ op_id: sent[0].op.op_id, status: "refused", message: "no", rev: null, item: bare(proposed("a", proposal(50, 65))) }, { op_id: sent[1].op.op_id, status: "refused", message: "no", rev: null, item: null }];
  assert.deepEqual(it.do("answers", { entries: sent, response: { answers }, elsewhere: true }), []);
  assert.equal(it.state.pending.length, 0);
});
