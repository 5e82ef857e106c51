// What the server's answers change: acknowledged, in conflict, refused. Pure.
import * as items from "./item.js";
import * as desk from "./state.js";

// Answers to entries, from this tab or (`elsewhere`) another one of the same person.
export function settle(state, { entries, response, elsewhere = false }, env) {
  let next = state;
  let go = null;
  const spared = sparedOf(entries, response.answers);
  for (const answer of response.answers) {
    const entry = entries.find((sent) => sent.op.op_id === answer.op_id);
    if (!entry || spared.includes(entry)) continue;
    const own = next.pending.find((known) => known.op.op_id === answer.op_id);
    const done = take(next, entry, answer, own);
    next = done.state;
    go ??= done.go ?? null;
  }
  for (const item of response.neighbours ?? []) next = neighbour(next, item, entries);
  const changed = changedBy(state, next);
  const again = sendAgain(next, spared, env, elsewhere);
  return { state: again.state, go: elsewhere ? null : go, entries: [...changed, ...again.entries] };
}

// Operations of a transaction that failed for the sake of another one in it: they carry no window.
function sparedOf(entries, answers) {
  const failed = answers.filter((answer) => answer.status !== "done");
  if (!failed.some((answer) => answer.item)) return [];
  const bare = new Set(failed.filter((answer) => !answer.item).map((answer) => answer.op_id));
  return entries.filter((entry) => entry.group && bare.has(entry.op.op_id));
}

// They are sent again without it, in a transaction of their own.
function sendAgain(state, spared, env, elsewhere) {
  const group = spared.length ? env.newId() : null;
  let next = state;
  const entries = [];
  for (const { key, op } of spared) {
    next = forgotten(dropped(next, op.op_id), op.op_id);
    if (elsewhere) continue; // the tab that sent them writes them
    const entry = desk.entryOf(next, key, op.kind, op.args, env, { group, seconds: op.seconds });
    next = { ...next, pending: [...next.pending, entry], history: [...next.history, { key, op: entry.op.op_id, before: entry.before, group }] };
    entries.push(entry);
  }
  return { state: next, entries };
}

// Pending entries that got another rev or span name: they must be written to the outbox anew.
function changedBy(before, after) {
  const old = new Map(before.pending.map((entry) => [entry.op.op_id, entry]));
  return after.pending.filter((entry) => old.has(entry.op.op_id) && old.get(entry.op.op_id) !== entry);
}

const dropped = (state, op) => ({ ...state, pending: state.pending.filter((entry) => entry.op.op_id !== op) });
const forgotten = (state, op) => ({ ...state, history: state.history.filter((done) => done.op !== op) });

function take(state, entry, answer, own) {
  if (answer.status === "conflict") return { state: conflict(state, entry, answer) };
  if (answer.status === "refused") return { state: refusal(state, entry, answer) };
  const isStep = entry.op.kind === "undo" || entry.op.kind === "redo";
  let next = dropped(state, entry.op.op_id);
  if (!answer.item) {
    const notice = isStep && own ? { text: answer.message ?? "There is nothing left to undo.", tone: "info" } : next.notice;
    return { state: { ...next, notice } };
  }
  const key = entry.key ?? items.keyOf(answer.item);
  const elsewhere = isStep && answer.item.uid !== entry.uid;
  next = renamed(next, entry, answer.item);
  next = desk.put(next, answer.item, elsewhere ? items.keyOf(answer.item) : key);
  if (!elsewhere || !own) return { state: next };
  const name = answer.item.name;
  const notice = { text: entry.op.kind === "undo" ? `Undone in ${name}` : `Redone in ${name}`, tone: "info" };
  return { state: { ...next, notice }, go: items.keyOf(answer.item) };
}

// Spans that an accept made have their real names now: later operations borrow none any more.
function renamed(state, entry, item) {
  if (entry.op.kind !== "accept") return state;
  const before = state.items[entry.key];
  if (!before) return state;
  const names = items.realNames(before, item);
  const pending = state.pending.map((later) => {
    const real = later.key === entry.key && names[later.op.args?.span_id];
    return real ? { ...later, op: { ...later.op, args: { ...later.op.args, span_id: real } } } : later;
  });
  return { ...state, pending, active: names[state.active] ?? state.active };
}

// A window beside it changed with it, by this person's own hand: what waits for it goes on from there.
// One that nobody has decided yet has no revision to count, though its spans have changed.
function neighbour(state, item, entries) {
  const layer = items.layerOf(entries[0]?.key);
  const key = items.keyIn(layer, item.uid);
  const base = state.items[key];
  if (!base || item.rev < base.rev) return state;
  const isOwn = item.rev - base.rev <= entries.length;
  const next = desk.put(state, item, key);
  if (!isOwn) return next;
  const pending = state.pending.map((entry) =>
    entry.key === key && entry.op.rev === base.rev ? { ...entry, op: { ...entry.op, rev: item.rev } } : entry);
  return { ...next, pending };
}

// Mine and theirs, kept side by side until this person chooses. Later operations on the window
// rest on the one in conflict, so they belong to mine.
function conflict(state, entry, answer) {
  const open = state.conflicts.find((known) => known.key === entry.key);
  const theirs = answer.item && state.items[entry.key] ? desk.merged({ ...state.items[entry.key], rev: -1 }, answer.item) : answer.item;
  const mine = open ? { name: open.name, ...open.mine } : desk.shown(state, entry.key);
  const isMine = (later) => later.key === entry.key;
  let next = { ...state, pending: state.pending.filter((later) => !isMine(later)) };
  for (const later of state.pending.filter(isMine)) next = forgotten(next, later.op.op_id);
  next = forgotten(next, entry.op.op_id);
  if (!mine || !theirs) return { ...next, notice: { text: answer.message ?? "This window was changed meanwhile.", tone: "warn" } };
  next = desk.put(next, theirs, entry.key);
  const rest = next.conflicts.filter((known) => known.key !== entry.key);
  const mineOnly = { ...items.decisionPart(mine) };
  return { ...next, conflicts: [...rest, { key: entry.key, name: mine.name, mine: mineOnly, message: open?.message ?? answer.message }] };
}

function refusal(state, entry, answer) {
  let next = forgotten(dropped(state, entry.op.op_id), entry.op.op_id);
  if (answer.item) next = desk.put(next, answer.item, entry.key ?? items.keyOf(answer.item));
  const base = next.items[entry.key];
  const pending = next.pending.map((later) => {
    if (later.op.after !== entry.op.op_id) return later;
    const { after: _, ...op } = later.op;
    return { ...later, op: { ...op, rev: answer.rev ?? base?.rev ?? 0 } };
  });
  const name = base?.name ?? entry.uid ?? "";
  const said = { key: entry.key, name, text: answer.message ?? "The server refused this.", op: entry.op.op_id };
  const rest = next.refusals.filter((known) => known.key !== entry.key);
  return { ...next, pending, refusals: [...rest, said], notice: { text: `${name}: ${said.text}`, tone: "bad", key: entry.key } };
}

// The person's choice in a conflict: mine becomes new operations on what they hold.
export function resolve(state, { key, choice }, env) {
  const found = state.conflicts.find((known) => known.key === key);
  if (!found) return { state, entries: [] };
  let next = { ...state, conflicts: state.conflicts.filter((known) => known !== found) };
  if (choice === "theirs") return { state: { ...next, notice: { text: `Took theirs in ${found.name}`, tone: "info" } }, entries: [] };
  const entries = [];
  for (const { kind, args } of items.opsToReach(next.items[key], found.mine, env.newSpanId)) {
    const entry = desk.entryOf(next, key, kind, args, env);
    next = { ...next, pending: [...next.pending, entry], history: [...next.history, { key, op: entry.op.op_id, before: entry.before, group: null }] };
    entries.push(entry);
  }
  return { state: { ...next, notice: { text: `Kept mine in ${found.name}`, tone: "info" } }, entries };
}
