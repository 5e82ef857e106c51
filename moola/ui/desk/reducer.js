// State and action in, new state and new outbox entries out. Pure: `env` brings clock and names.
import * as items from "./item.js";
import * as desk from "./state.js";
import * as edits from "./edits.js";
import * as answers from "./answers.js";

const stay = (state, changes = {}) => ({ state: { ...state, ...changes }, entries: [] });
const say = (state, text, tone = "info") => stay(state, { notice: { text, tone } });

// Show the window at that place of the queue; what was active in another one is forgotten.
function at(state, index, env) {
  const place = Math.max(0, Math.min(state.order.length, index));
  return { ...state, index: place, active: null, edge: "start", hidden: null, shownAt: env.now };
}

function goTo(state, key, env) {
  const found = state.order.indexOf(key);
  if (found >= 0) return at(state, found, env);
  const order = [...state.order];
  order.splice(state.index, 0, key);
  return at({ ...state, order }, state.index, env);
}

// Write operations about one window: pending, in the history, counted.
function write(state, key, list, env, more = {}) {
  const entries = [];
  let next = state;
  for (const { kind, args } of list) {
    const entry = desk.entryOf(next, key, kind, args ?? {}, env, more);
    const before = desk.shown(next, key);
    next = { ...next, pending: [...next.pending, entry], undone: [] };
    next.history = [...next.history, { key, op: entry.op.op_id, before: entry.before, group: more.group ?? null }];
    next.progress = desk.counted(next.progress, before, desk.shown(next, key));
    entries.push(entry);
  }
  return { state: desk.lookedAt(next, [key]), entries };
}

const DECIDED = { accept: "Accepted", reject: "Rejected", flag: "Flagged", defer: "Deferred" };

// A decision about the window on the desk, then the next one.
function decide(state, kind, args, env) {
  const item = desk.shown(state);
  if (!item) return stay(state);
  if (kind === "accept" && !items.drawn(item).length && !item.proposals.length) {
    return say(state, "Nothing is drawn to accept. Draw a span (drag, or N), or reject with X.", "warn");
  }
  const key = desk.currentKey(state);
  const seconds = desk.secondsOn(state, env.now);
  const done = write(desk.timed(state, seconds), key, [{ kind, args }], env, { seconds });
  const [entry] = done.entries;
  const next = at(done.state, state.index + 1, env);
  next.last = { key, name: item.name, text: DECIDED[kind], kind, reason: args.reason ?? null, op: entry.op.op_id };
  next.reasonUntil = kind === "reject" ? env.now + desk.REASON_MS : 0;
  next.notice = null;
  return { state: next, entries: done.entries };
}

// The reason of the last rejection, from a digit or a chip.
function setReason(state, reason, note, env) {
  const key = state.last?.kind === "reject" ? state.last.key : desk.currentKey(state);
  const item = desk.shown(state, key);
  if (item?.state !== "rejected") return say(state, "A reason belongs to a rejected window: press X first.", "warn");
  const args = note ? { reason, note } : { reason };
  const done = write(state, key, [{ kind: "set_reason", args }], env);
  const last = { key, name: item.name, text: "Rejected", kind: "reject", reason, op: done.entries[0].op.op_id };
  const overlay = state.overlay === "why" ? null : state.overlay;
  return { state: { ...done.state, last, overlay, reasonUntil: 0, notice: null }, entries: done.entries };
}

// Undo goes back through this tab's own operations at once; what lies before them only the server
// knows, so that waits for its answer.
function undo(state, env) {
  const top = state.history.at(-1);
  if (!top) return remote(state, "undo", env);
  const group = state.history.filter((done) => done === top || (top.group && done.group === top.group)).reverse();
  return stepThrough(state, "undo", group, env);
}

function redo(state, env) {
  const top = state.undone.at(-1);
  if (!top) return remote(state, "redo", env);
  const group = state.undone.filter((done) => done === top || (top.group && done.group === top.group)).reverse();
  return stepThrough(state, "redo", group, env);
}

function stepThrough(state, kind, group, env) {
  let next = state;
  const entries = [];
  for (const done of group) {
    const now = desk.shown(next, done.key);
    const restore = kind === "undo" ? done.before : done.after;
    const entry = desk.entryOf(next, done.key, kind, {}, env, { restore });
    const back = { ...done, before: kind === "undo" ? done.before : items.decisionPart(now), after: kind === "undo" ? items.decisionPart(now) : done.after };
    const rest = (list) => list.filter((known) => known.op !== done.op);
    next = kind === "undo"
      ? { ...next, history: rest(next.history), undone: [...next.undone, back] }
      : { ...next, undone: rest(next.undone), history: [...next.history, back] };
    next.pending = [...next.pending, entry];
    next.progress = desk.counted(next.progress, now, desk.shown(next, done.key));
    entries.push(entry);
  }
  const { key } = group.at(-1);
  const word = kind === "undo" ? "Undone" : "Redone";
  const text = group.length > 1 ? `${word} in ${group.length} windows` : `${word} in ${next.items[key].name}`;
  next = { ...goTo(next, key, env), last: null, reasonUntil: 0, notice: { text, tone: "info" } };
  return { state: next, entries };
}

function remote(state, kind, env) {
  const entry = desk.entryOf(state, null, kind, {}, env);
  const notice = { text: kind === "undo" ? "Undoing what was done before …" : "Redoing …", tone: "info" };
  return { state: { ...state, pending: [...state.pending, entry], notice }, entries: [entry] };
}

function digit(state, number, env) {
  const within = env.now < state.reasonUntil;
  if (within) return setReason(state, items.REASONS[number - 1], null, env);
  if (number > 3) return stay(state);
  return spanEdit(edits.change(state, { type: items.TYPES[number - 1] }, env), state, env);
}

// An edit of spans: what `edits` found, written; or its sentence.
function spanEdit(edit, state, env) {
  if (edit.refused) return say(state, edit.refused, "warn");
  const key = desk.currentKey(state);
  if (edit.replaces) {
    const entry = { ...edit.replaces, hold: edit.hold, op: { ...edit.replaces.op, args: edit.list[0].args } };
    const pending = [...state.pending.slice(0, -1), entry];
    return { state: { ...state, pending, ...edit.changes, notice: null }, entries: [entry] };
  }
  if (!edit.list?.length) return stay(state, edit.changes);
  const done = write(state, key, edit.list, env, { hold: edit.hold });
  return { state: { ...done.state, ...edit.changes, notice: null }, entries: done.entries };
}

function toggleGallery(state, env) {
  if (state.overlay === "gallery") return stay(at({ ...state, overlay: null, gallery: { offset: 0, unticked: [] } }, state.index, env));
  return stay(state, { overlay: "gallery", gallery: { offset: 0, unticked: [] }, notice: null, shownAt: env.now });
}

const acceptable = (item) => item && items.drawn(item).length > 0;

// All ticked windows in one transaction. The unticked stay in the queue, first in the desk.
function acceptGallery(state, env) {
  const keys = desk.galleryKeys(state);
  const ticked = keys.filter((key) => !state.gallery.unticked.includes(key) && acceptable(desk.shown(state, key)));
  const rest = keys.filter((key) => !ticked.includes(key));
  const seconds = ticked.length ? Math.round((100 * desk.secondsOn(state, env.now)) / keys.length) / 100 : 0;
  const group = env.newId();
  let next = state;
  const entries = [];
  for (const key of ticked) {
    // A transaction writes one layer.
    const more = { seconds, group: `${group}${items.layerOf(key) ?? ""}` };
    const done = write(desk.timed(next, seconds), key, [{ kind: "accept" }], env, more);
    next = done.state;
    entries.push(...done.entries);
  }
  const from = state.index;
  const seen = state.order.slice(from, from + state.gallery.offset);
  const order = [...state.order.slice(0, from), ...ticked, ...seen, ...rest, ...state.order.slice(from + seen.length + keys.length)];
  next = { ...next, order, index: from + ticked.length, shownAt: env.now };
  next.gallery = { offset: seen.length + rest.length, unticked: [] };
  const last = entries.at(-1)?.op.op_id ?? null;
  next.last = ticked.length ? { text: `Accepted ${ticked.length} windows`, name: "", kind: "gallery", op: last } : state.last;
  return { state: next, entries };
}

function toggleCell(state, number) {
  const key = desk.galleryKeys(state)[number - 1];
  if (!key) return stay(state);
  const { unticked } = state.gallery;
  const next = unticked.includes(key) ? unticked.filter((known) => known !== key) : [...unticked, key];
  return stay(state, { gallery: { ...state.gallery, unticked: next } });
}

function queued(state, { response }) {
  let next = { ...state, loaded: true };
  const known = new Set(state.order);
  const order = [...state.order];
  for (const item of response.items) {
    next = desk.put(next, item);
    const key = items.keyOf(item);
    if (!known.has(key)) order.push(key);
    known.add(key);
  }
  const exhausted = order.length === state.order.length;
  next = { ...next, order, exhausted, cursor: response.cursor ?? null, trust: response.trust ?? null, taken: response.taken ?? 0 };
  // The server may have counted what still waits for its answer here, or may not: this tab knows.
  const knows = state.pending.length && state.progress;
  next.progress = knows ? state.progress : waitingCounted(next, response.progress);
  next = audited(next, response.audit ?? null);
  if (!state.seconds.length && response.pace?.last50_s) next.seconds = [response.pace.last50_s];
  return stay(next);
}

// What this tab has looked at stays looked at, until other windows are sent.
function audited(state, audit) {
  const own = audit && audit.sent_at === state.audit?.sent_at ? state.audit.looked : [];
  return desk.lookedAt({ ...state, audit }, [...own, ...state.pending.map((entry) => entry.key)]);
}

// After a reload the server's counts do not know what waits in the outbox.
function waitingCounted(state, progress) {
  const keys = new Set(state.pending.map((entry) => entry.key));
  return [...keys].reduce((counts, key) => {
    const base = state.items[key];
    return base ? desk.counted(counts, base, desk.shown(state, key)) : counts;
  }, progress ?? state.progress);
}

const HANDLERS = {
  queue: queued,
  window: (state, { item, go }, env) => {
    const next = desk.put(state, item);
    return stay(go ? goTo({ ...next, overlay: null, notice: null }, items.keyOf(item), env) : next);
  },
  pending: (state, { entries }) => {
    const known = new Set(state.pending.map((entry) => entry.op.op_id));
    const fresh = entries.filter((entry) => !known.has(entry.op.op_id));
    const pending = [...state.pending, ...fresh].sort((a, b) => a.seq - b.seq);
    return stay(state, { pending });
  },
  answers: (state, action, env) => {
    const done = answers.settle(state, action, env);
    // A window that is not held here is fetched first.
    const isHeld = done.go && done.state.items[done.go];
    return { state: isHeld ? goTo(done.state, done.go, env) : done.state, entries: done.entries };
  },
  resolve: (state, action, env) => answers.resolve(state, action, env),
  accept: (state, _, env) => (state.overlay === "gallery" ? acceptGallery(state, env) : decide(state, "accept", {}, env)),
  reject: (state, { reason }, env) => decide(state, "reject", { reason: reason ?? "no_expansion" }, env),
  flag: (state, _, env) => decide(state, "flag", {}, env),
  defer: (state, _, env) => decide(state, "defer", {}, env),
  reason: (state, { reason, note }, env) => setReason(state, reason, note, env),
  digit: (state, { number }, env) => (state.overlay === "gallery" ? toggleCell(state, number) : digit(state, number, env)),
  cell: (state, { number }) => toggleCell(state, number),
  open_cell: (state, { key }, env) => stay(goTo({ ...state, overlay: null, gallery: { offset: 0, unticked: [] } }, key, env)),
  next: (state, _, env) => stay(at({ ...state, notice: null }, state.index + 1, env)),
  previous: (state, _, env) => stay(at({ ...state, notice: null }, state.index - 1, env)),
  undo: (state, _, env) => undo(state, env),
  redo: (state, _, env) => redo(state, env),
  gallery: (state, _, env) => toggleGallery(state, env),
  overlay: (state, { name }) => stay(state, { overlay: state.overlay === name ? null : name }),
  pick: (state, { id, edge }) => stay(state, { active: id, edge: edge ?? state.edge }),
  other_edge: (state) => stay(state, edits.otherEdge(state)),
  nudge: (state, { by }, env) => spanEdit(edits.nudge(state, by, env), state, env),
  place: (state, { span, id, mode }, env) => spanEdit(edits.place(state, span, id, mode, env), state, env),
  snap: (state, { edge }, env) => spanEdit(edits.snap(state, edge, env), state, env),
  new_span: (state, _, env) => spanEdit(edits.fresh(state, env), state, env),
  delete_span: (state, _, env) => spanEdit(edits.remove(state, env), state, env),
  change: (state, { values }, env) => spanEdit(edits.change(state, values, env), state, env),
  widen: (state, { by }, env) => spanEdit(edits.widen(state, by, env), state, env),
  note: (state, { note }, env) => {
    const item = desk.shown(state);
    if (!item || (item.note ?? "") === note) return stay(state);
    return write(state, desk.currentKey(state), [{ kind: "set_note", args: { note } }], env);
  },
  bar: (state, { bar }) => stay(state, { bar }),
  model: (state) => stay(state, { model: !state.model }),
  hide: (state) => stay(state, { hidden: state.hidden === null ? state.bar ?? 29 : null }),
  replay: (state) => {
    if (state.hidden === null) return say(state, "Replay steps through hidden bars: press T first.");
    const hidden = state.hidden + 1;
    return stay(state, { hidden: hidden >= items.N_BARS - 1 ? null : hidden, bar: hidden });
  },
  say: (state, { text, tone }) => say(state, text, tone),
  hush: (state) => stay(state, { notice: null }),
  away: (state, { ms }) => stay(state, { shownAt: state.shownAt + ms }),
};

export function reduce(state, action, env) {
  const handler = HANDLERS[action.type];
  return handler ? handler(state, action, env) : stay(state);
}
