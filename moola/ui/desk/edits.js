// Edits of the spans of the window on the desk: which operations they are, or why not. Pure.
// Returns {list: [{kind, args}], changes: state, refused, replaces, hold}.
import * as geometry from "../span_geometry.js";
import * as items from "./item.js";
import * as desk from "./state.js";

const NEW_LENGTH = 7;
const NO_SPAN = "No span is active here. Draw one: drag over the bars, or N.";
const refuse = (refused) => ({ refused });

// Save a span with other edges or values; a draft becomes a span by that. Key nudges that follow
// one another stay one operation while the first is still held back in the outbox.
function save(state, span, env, { isNudge = false } = {}) {
  const isNew = span.draft || span.isNew;
  const id = isNew ? env.newSpanId() : span.id;
  const list = [{ kind: "save_span", args: { span_id: id, new: !!isNew, ...items.spanArgs(span) } }];
  const changes = { active: id };
  if (!isNudge) return { list, changes };
  const last = state.pending.at(-1);
  const goesOn = last?.op.kind === "save_span" && last.op.args.span_id === id && last.hold > env.now;
  const hold = env.now + desk.HOLD_MS;
  if (!goesOn) return { list, changes, hold };
  list[0].args.new = last.op.args.new;
  return { list, changes, hold, replaces: last };
}

function fitted(item, span, ownId, at) {
  const free = items.room(item, ownId, at);
  if (!free) return null;
  return { start: Math.max(span.start, free.low), end: Math.min(span.end, free.high) };
}

export function nudge(state, by, env) {
  const item = desk.shown(state);
  const active = desk.activeSpan(state, item);
  if (!active) return { changes: { bar: geometry.clamp((state.bar ?? 0) + by, 0, items.N_BARS - 1) } };
  const edge = state.edge;
  const to = fitted(item, geometry.nudged(active, edge, by, items.N_BARS), active.id, active[edge === "start" ? "end" : "start"]);
  if (!to || geometry.sameSpan(to, active)) return { changes: {} };
  return save(state, items.moved(active, to), env, { isNudge: true });
}

// Where a drag may go: clipped against the neighbours and the hidden future.
export function reachable(state, span, id, anchor) {
  const item = desk.shown(state);
  const last = state.hidden ?? items.N_BARS - 1;
  const inside = { start: Math.min(span.start, last), end: Math.min(span.end, last) };
  const to = fitted(item, inside, id, anchor);
  return to && to.start <= to.end ? to : null;
}

export function place(state, span, id, mode, env) {
  const item = desk.shown(state);
  const known = items.drawn(item).find((other) => other.id === id);
  if (!known) return drawNew(state, item, span, env);
  if (geometry.sameSpan(known, span)) return { changes: { active: id } };
  const edit = save(state, items.moved(known, span), env);
  if (mode === "start" || mode === "end") edit.changes.edge = mode;
  return edit;
}

function drawNew(state, item, span, env) {
  const made = {
    ...span, isNew: true, start_range: [span.start, span.start], end_range: [span.end, span.end],
    type: items.TYPES[0], direction: items.netDirection(item.bars, span.start, span.end),
  };
  const edit = save(state, made, env);
  return { ...edit, changes: { ...edit.changes, edge: "end" } };
}

export function fresh(state, env) {
  const item = desk.shown(state);
  if (!item) return refuse("There is no window here.");
  const start = state.bar ?? state.hidden ?? 45;
  const end = Math.min(start + NEW_LENGTH - 1, items.N_BARS - 1);
  const span = reachable(state, { start, end }, null, start);
  if (!span) return refuse(`Bar ${start} lies in a span already. Point at a free bar, then N.`);
  return drawNew(state, item, span, env);
}

export function snap(state, edge, env) {
  const active = desk.activeSpan(state);
  if (!active) return refuse(NO_SPAN);
  if (state.bar === null) return refuse("Point at a bar first: [ and ] bring an edge to the cursor.");
  const item = desk.shown(state);
  const span = geometry.dragged({ mode: edge, from: active, pressBar: active[edge], bar: state.bar, nBars: items.N_BARS });
  const to = fitted(item, span, active.id, active[edge === "start" ? "end" : "start"]);
  if (!to || geometry.sameSpan(to, active)) return { changes: { edge } };
  const edit = save(state, items.moved(active, to), env);
  return { ...edit, changes: { ...edit.changes, edge } };
}

// A draft is no span yet: dropping one of several keeps the others as spans.
export function remove(state, env) {
  const item = desk.shown(state);
  const active = desk.activeSpan(state, item);
  if (!active) return refuse("No span is active here.");
  if (!active.draft) return { list: [{ kind: "delete_span", args: { span_id: active.id } }], changes: { active: null } };
  const others = items.drafts(item).filter((draft) => draft.id !== active.id);
  if (!others.length) return refuse("This is only proposed. Reject the window with X, or draw where the expansion is.");
  const list = others.map((draft) => ({
    kind: "save_span", args: { span_id: env.newSpanId(), new: true, ...items.spanArgs(draft) },
  }));
  return { list, changes: { active: null } };
}

// Class, direction, grade, confidence; a draft becomes a span by that.
export function change(state, values, env) {
  const active = desk.activeSpan(state);
  if (!active) return refuse(NO_SPAN);
  if (active.draft) return save(state, { ...active, ...values }, env);
  const isSame = Object.entries(values).every(([name, value]) => JSON.stringify(active[name]) === JSON.stringify(value));
  if (isSame) return { changes: {} };
  const list = Object.entries(values).map(([name, value]) => ({ kind: "set_span", args: { span_id: active.id, [name]: value } }));
  return { list, changes: { active: active.id } };
}

export function widen(state, by, env) {
  const active = desk.activeSpan(state);
  if (!active) return refuse(NO_SPAN);
  return change(state, items.widened(active, state.edge, by), env);
}

// The other edge of the active span, then the first edge of the next one.
export function otherEdge(state) {
  const item = desk.shown(state);
  if (!item) return {};
  const active = desk.activeSpan(state, item);
  if (!active) return {};
  if (state.edge === "start") return { active: active.id, edge: "end" };
  const spans = items.drawn(item);
  const next = spans[(spans.findIndex((span) => span.id === active.id) + 1) % spans.length];
  return { active: next.id, edge: "start" };
}
