// Windows and a clock for the tests of the desk's client.
import * as desk from "../../moola/ui/desk/state.js";
import { reduce } from "../../moola/ui/desk/reducer.js";

export const proposal = (start, end, id = `p${start}`) => ({ id, start, end, type: "retracement", direction: "up", score: 0.9, source: "rule" });

const flat = Array.from({ length: 105 }, () => 100);

export function windowOf(uid, more = {}) {
  return {
    uid, name: uid.toUpperCase(), series_id: "ES", bar_start: 0, rev: 0, state: "unseen", standing: "single",
    reason: null, note: "", mode: "normal", spans: [], cut: [], proposals: [], model: null, tick: 0.25,
    bars: { o: flat, h: flat.map((v) => v + 1), l: flat.map((v) => v - 1), c: flat.map((v) => v + 0.5), v: null }, times: null, ...more,
  };
}

export const proposed = (uid, ...proposals) => windowOf(uid, { state: "proposed", proposals });

// A desk that is driven by actions; it remembers what went to the outbox.
export function deskWith(windows, more = {}) {
  let count = 0;
  const it = { state: { ...desk.initial({ annotator: "ann", clientId: "tab" }), ...more }, now: 1000, out: [] };
  const env = () => ({ now: it.now, newId: () => `op${(count += 1)}`, newSpanId: () => `span${(count += 1)}`, seq: () => (count += 1) });
  it.env = env;
  it.do = (type, action = {}) => {
    const { state, entries } = reduce(it.state, { type, ...action }, env());
    it.state = state;
    for (const entry of entries) it.out = [...it.out.filter((known) => known.op.op_id !== entry.op.op_id), entry];
    return entries;
  };
  it.answer = (entry, item, status = "done", message = null) =>
    it.do("answers", { entries: [entry], response: { answers: [{ op_id: entry.op.op_id, status, message, rev: item?.rev ?? null, item }] } });
  it.shown = (key) => desk.shown(it.state, key);
  it.current = () => desk.currentKey(it.state);
  it.do("queue", { response: { items: windows, progress: { done: 0, total: 10, rejected: 0, kept: 0 } } });
  return it;
}
