// What the desk holds, and questions about it. Pure: no DOM, no clock, no network.
import * as items from "./item.js";

export const PREFETCH_AT = 12;
export const BATCH = 25;
export const GALLERY = 12;
export const REASON_MS = 1500;
export const HOLD_MS = 300;
const PACE_OF = 50, MAX_SECONDS = 600;

export const initial = ({ annotator, clientId }) => ({
  annotator, clientId,
  items: {}, // key -> the window as the server last said it
  order: [], index: 0, cursor: null, exhausted: false, loaded: false,
  pending: [], // operations that the server has not answered, oldest first
  conflicts: [], refusals: [],
  active: null, edge: "start", bar: null, hidden: null, model: false,
  overlay: null, gallery: { offset: 0, unticked: [] },
  history: [], undone: [],
  last: null, // the last decision: {key, name, text, ops}
  reasonUntil: 0, notice: null,
  progress: null, audit: null, seconds: [], trust: null, taken: 0, shownAt: 0,
});

export const currentKey = (state) => state.order[state.index] ?? null;

// A window with its pending operations on top of what the server said.
export function shown(state, key = currentKey(state)) {
  const base = state.items[key];
  if (!base) return null;
  return state.pending.reduce((item, entry) => (entry.key === key ? items.predict(item, entry) : item), base);
}

export function activeSpan(state, item = shown(state)) {
  if (!item) return null;
  const spans = items.drawn(item);
  const hidden = state.hidden;
  const visible = hidden === null ? spans : spans.filter((span) => span.start <= hidden);
  return visible.find((span) => span.id === state.active) ?? visible[0] ?? null;
}

export const ahead = (state) => state.order.length - state.index - (state.overlay === "gallery" ? state.gallery.offset : 0);

export const wantsMore = (state) => {
  const least = state.overlay === "gallery" ? GALLERY + PREFETCH_AT : PREFETCH_AT;
  return !state.exhausted && ahead(state) - 1 < least;
};

// Windows that the server must not send again: held and undecided, or decided and not yet told.
export function skipped(state) {
  const held = state.order.slice(Math.max(0, state.index - BATCH));
  const waiting = state.pending.map((entry) => entry.key).filter(Boolean);
  return [...new Set([...held, ...waiting].map((key) => items.uidOf(key)))];
}

export const galleryKeys = (state) => {
  const from = state.index + state.gallery.offset;
  return state.order.slice(from, from + GALLERY);
};

// The server's word about a window: bars stay, and an older revision never replaces a newer one.
export function merged(base, item) {
  if (!base) return item;
  if (item.rev < base.rev) return base;
  const { mode, bars, times } = base; // why it is shown does not change with an answer
  return { ...base, ...item, mode, bars: item.bars ?? bars, times: item.times ?? times };
}

export function put(state, item, key = items.keyOf(item)) {
  const base = state.items[key];
  if (!base && !item.bars) return state;
  return { ...state, items: { ...state.items, [key]: merged(base, item) } };
}

export const secondsOn = (state, now) => Math.min(MAX_SECONDS, Math.round((now - state.shownAt) / 10) / 100);

export const pace = (state) => {
  const { seconds } = state;
  if (!seconds.length) return null;
  return seconds.reduce((sum, value) => sum + value, 0) / seconds.length;
};

export const timed = (state, seconds) => ({ ...state, seconds: [...state.seconds, seconds].slice(-PACE_OF) });

// Counts of the progress line after a window went from one state to another.
export function counted(progress, before, after) {
  if (!progress) return progress;
  const weigh = (item) => {
    const isDone = !items.UNDECIDED.has(item.state) && item.state !== "deferred";
    return { done: +isDone, rejected: +(item.state === "rejected"), kept: +/^(verified|edited)$/.test(item.state) };
  };
  const [old, now] = [weigh(before), weigh(after)];
  const next = { ...progress };
  for (const name of Object.keys(now)) next[name] = (next[name] ?? 0) + now[name] - old[name];
  return next;
}

// Of an audit's windows those that were looked at since they were sent, else those decided at all.
export function meter({ audit, progress }) {
  if (audit) return { done: audit.looked.length, total: Object.keys(audit.doubts).length, words: "looked at" };
  return progress && { ...progress, words: "done" };
}

// What the audit holds against the label on the desk; nothing where it is judged blind.
export const doubtOf = (state) => state.audit?.doubts[items.uidOf(currentKey(state) ?? "")] ?? null;

// Whatever is done about a window, it was looked at.
export function lookedAt(state, keys) {
  if (!state.audit) return state;
  const { doubts, looked } = state.audit;
  const sent = keys.filter(Boolean).map(items.uidOf).filter((uid) => uid in doubts);
  return { ...state, audit: { ...state.audit, looked: [...new Set([...looked, ...sent])] } };
}

// The entry of an operation, as it goes to the outbox. `env` brings the clock and new names.
export function entryOf(state, key, kind, args, env, more = {}) {
  const base = state.items[key];
  const previous = state.pending.findLast((entry) => entry.key === key);
  const steps = kind === "undo" || kind === "redo";
  const op = { op_id: env.newId(), kind, window_uid: steps ? null : base?.uid ?? null, args, mode: base?.mode ?? "normal" };
  if (!steps && previous) op.after = previous.op.op_id;
  else if (!steps) op.rev = base?.rev ?? 0;
  if (more.seconds !== undefined) op.seconds = more.seconds;
  return {
    seq: env.seq(), annotator: state.annotator, key, uid: base?.uid ?? null,
    series: base?.series_id ?? null, bar: base?.bar_start ?? null,
    group: more.group ?? null, hold: more.hold ?? 0, restore: more.restore ?? null,
    before: base ? items.decisionPart(shown(state, key)) : null, op,
  };
}
