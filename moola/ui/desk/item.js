// One window as the desk holds it, and what an operation makes of it. Pure.
// The server's word is the base; what is drawn is the base with the pending operations on top.
import * as geometry from "../span_geometry.js";

export const N_BARS = 105;
export const TYPES = ["consolidation", "retracement", "reversal"];
export const REASONS = [
  "no_expansion", "ambiguous_start", "ambiguous_end", "too_small", "chop", "news_spike",
  "gap_or_halt", "roll", "bad_bars", "cut_by_view", "duplicate", "other",
];
export const UNDECIDED = new Set(["unseen", "proposed", "stale", null, undefined]);
// A span that an accept will make: the server names it, until then it has a borrowed name.
const BORROWED = "adopted-";

// A second judgement and a catch trial lie in layers of their own, which the server finds by the
// mode of an operation: the same window may be held once in each.
const LAYERED = new Set(["repeat", "catch"]);
export const keyIn = (mode, uid) => (LAYERED.has(mode) ? `${uid}~${mode}` : uid);
export const keyOf = (item) => keyIn(item.mode, item.uid);
export const uidOf = (key) => key.split("~")[0];
export const layerOf = (key) => key?.split("~")[1] ?? null;

export const words = (name) => (name ?? "").replaceAll("_", " ");

const touches = (a, b) => a.start <= b.end && b.start <= a.end;

// Proposals that Accept would turn into spans.
export function drafts(item) {
  const open = item.state === "proposed" || (item.state !== "rejected" && !item.spans.length);
  if (!open) return [];
  return item.proposals.filter((proposal) => !item.spans.some((span) => touches(span, proposal)));
}

const ranges = (span) => ({
  start_range: span.start_range ?? [span.start, span.start],
  end_range: span.end_range ?? [span.end, span.end],
});

// What is drawn, in the order of the bars: spans and drafts.
export function drawn(item) {
  const stored = item.spans.map((span) => ({ ...span, ...ranges(span), draft: false }));
  const open = drafts(item).map((p) => ({ ...p, ...ranges(p), draft: true, broken: [] }));
  return [...stored, ...open].sort((a, b) => a.start - b.start);
}

// Spans as far as the bars are shown: one that begins later is not there, one that goes on is cut.
export function seen(spans, hidden) {
  if (hidden === null) return spans;
  return spans.filter((span) => span.start <= hidden).map((span) => ({ ...span, end: Math.min(span.end, hidden) }));
}

// Everything that a decision can change.
export const decisionPart = ({ state, reason, note, spans }) => ({ state, reason, note, spans });

export function netDirection(bars, start, end) {
  return bars.c[end] >= bars.o[start] ? "up" : "down";
}

// The free bars around a span: none of the others may be touched.
export function room(item, ownId, at) {
  let low = 0, high = N_BARS - 1;
  for (const other of [...drawn(item), ...(item.cut ?? [])]) {
    if (other.id !== undefined && other.id === ownId) continue;
    if (other.end < at) low = Math.max(low, other.end + 1);
    else if (other.start > at) high = Math.min(high, other.start - 1);
    else return null;
  }
  return { low, high };
}

// A span after its edges were moved: what is uncertain moves along.
export function moved(span, { start, end }) {
  const { start_range, end_range } = ranges(span);
  const shifted = ([low, high], by) => [low + by, high + by];
  return {
    ...span, start, end,
    start_range: inside("start", { start, end }, shifted(start_range, start - span.start)),
    end_range: inside("end", { start, end }, shifted(end_range, end - span.end)),
  };
}

// An edge is uncertain inside the window, and never beyond the span's other edge.
function inside(edge, { start, end }, [low, high]) {
  const [least, most] = edge === "start" ? [0, end] : [start, N_BARS - 1];
  return [geometry.clamp(low, least, most), geometry.clamp(high, least, most)];
}

// One bar more or less on both sides of an edge.
export function widened(span, edge, by) {
  const name = `${edge}_range`;
  const [low, high] = ranges(span)[name];
  const at = span[edge];
  return { [name]: inside(edge, span, [Math.min(low - by, at), Math.max(high + by, at)]) };
}

export const isBorrowed = (id) => typeof id === "string" && id.startsWith(BORROWED);

const replaceSpan = (spans, span) => {
  const rest = spans.filter((known) => known.id !== span.id);
  return [...rest, span].sort((a, b) => a.start - b.start);
};

const without = (item, spans) => ({
  ...item, spans, reason: null,
  state: spans.length ? "edited" : item.proposals.length ? "proposed" : "unseen",
});

const PREDICTIONS = {
  save_span(item, { span_id, new: _new, ...values }) {
    const known = item.spans.find((span) => span.id === span_id) ?? { id: span_id, origin: "human", broken: [] };
    return { ...item, spans: replaceSpan(item.spans, { ...known, ...values }), state: "edited", reason: null };
  },
  set_span(item, { span_id, ...values }) {
    const known = item.spans.find((span) => span.id === span_id);
    if (!known) return item;
    return { ...item, spans: replaceSpan(item.spans, { ...known, ...values }), state: "edited", reason: null };
  },
  delete_span: (item, { span_id }) => without(item, item.spans.filter((span) => span.id !== span_id)),
  accept(item) {
    const proposed = item.state === "rejected" ? { ...item, state: "proposed" } : item;
    const adopted = drafts(proposed).map((p) => ({ ...p, id: `${BORROWED}${p.id}`, origin: "accepted", broken: [] }));
    const spans = [...item.spans, ...adopted].sort((a, b) => a.start - b.start);
    return { ...item, spans, state: "verified", reason: null };
  },
  reject: (item, { reason, note }) => ({ ...item, spans: [], state: "rejected", reason, note: note ?? item.note }),
  set_reason: (item, { reason, note }) => ({ ...item, reason, note: note ?? item.note }),
  flag: (item) => ({ ...item, state: "flagged", reason: null }),
  defer: (item) => ({ ...item, state: "deferred", reason: null }),
  set_note: (item, { note }) => ({ ...item, note }),
};

// What the window will be once the operation is done.
export function predict(item, entry) {
  if (entry.restore) return { ...item, ...entry.restore };
  return PREDICTIONS[entry.op.kind]?.(item, entry.op.args ?? {}) ?? item;
}

// The real names of adopted spans, once the server has said them: borrowed name -> name.
export function realNames(pending, item) {
  const names = {};
  for (const proposal of item.proposals ?? []) names[`${BORROWED}${proposal.id}`] = null;
  const before = pending?.proposals ?? [];
  for (const proposal of before) {
    const found = item.spans.find((span) => span.start === proposal.start && span.end === proposal.end);
    names[`${BORROWED}${proposal.id}`] = found?.id ?? null;
  }
  return names;
}

const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
const NAMED = ["type", "direction", "grade", "confidence"];

const args = (span) => {
  const named = NAMED.filter((name) => span[name] != null).map((name) => [name, span[name]]);
  return { start: span.start, end: span.end, ...ranges(span), ...Object.fromEntries(named) };
};
export const spanArgs = args;

// Operations that turn what the server holds into what this person meant. For a conflict.
export function opsToReach(theirs, mine, newId) {
  const ops = [];
  const kept = mine.state === "rejected" ? [] : mine.spans;
  for (const span of theirs.spans) {
    if (mine.state !== "rejected" && !kept.some((own) => own.id === span.id)) {
      ops.push({ kind: "delete_span", args: { span_id: span.id } });
    }
  }
  for (const span of kept) {
    const there = theirs.spans.find((other) => other.id === span.id);
    if (there && same(args(there), args(span))) continue;
    const id = there ? span.id : newId();
    ops.push({ kind: "save_span", args: { span_id: id, new: !there, ...args(span) } });
  }
  if ((mine.note ?? "") !== (theirs.note ?? "")) ops.push({ kind: "set_note", args: { note: mine.note ?? "" } });
  const settled = !ops.some((op) => op.kind.endsWith("span")) && mine.state === theirs.state;
  if (mine.state === "rejected" && !(settled && mine.reason === theirs.reason)) {
    ops.push({ kind: "reject", args: { reason: mine.reason ?? "no_expansion" } });
  }
  const kind = { verified: "accept", flagged: "flag", deferred: "defer" }[mine.state];
  if (kind && !settled) ops.push({ kind, args: {} });
  return ops;
}

const textOf = ({ start, end, type, grade }) =>
  [`${start} – ${end}`, type, grade && `grade ${grade}`].filter(Boolean).join(" ");

export function describe(item) {
  const state = item.state === "rejected" && item.reason ? `rejected: ${words(item.reason)}` : item.state ?? "unseen";
  const spans = item.spans.map(textOf).join("; ");
  return spans ? `${state}, ${spans}` : state;
}
