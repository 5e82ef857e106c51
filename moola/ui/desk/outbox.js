// The outbox: every operation is written to this browser's storage before it is shown as done, and
// stays there until the server has answered it. One request at a time, in order, for ever.
// Each entry has a key of its own in the storage, so that two tabs never overwrite each other.
import * as items from "./item.js";

const N_BARS = 105, MOST = 25, REQUEST_MS = 15000;
const FIRST_WAIT_MS = 400, LONGEST_WAIT_MS = 10000;
const KEEPALIVE_BYTES = 60000;

// ---- pure -------------------------------------------------------------------------------------

export const waitMs = (failures) => Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, failures - 1));

const sender = (entry) => `${entry.annotator}|${entry.group ?? ""}`;

// An operation on one window changes the windows that share its bars: those wait for its answer,
// which brings them their new revision.
const overlaps = (a, b) => a.key !== b.key && a.series && a.series === b.series && Math.abs(a.bar - b.bar) < N_BARS;

// What the next request carries. A span that an accept made has no name before its answer, and the
// last nudge is held back for a moment because another may follow.
export function nextBatch(entries, now) {
  const batch = [];
  for (const [place, entry] of entries.entries()) {
    if (batch.length && sender(entry) !== sender(batch[0])) break;
    if (batch.length >= MOST && !entry.group) break;
    if (batch.length && items.isBorrowed(entry.op.args?.span_id)) break;
    if (!entry.group && batch.some((earlier) => overlaps(earlier, entry))) break;
    if (place === entries.length - 1 && entry.hold > now) break;
    batch.push(entry);
  }
  return batch;
}

// When to look again although nothing new was written: a held entry, or null.
export function heldUntil(entries, now) {
  const last = entries.at(-1);
  return last && last.hold > now ? last.hold : null;
}

export function body(batch, clientId) {
  const [{ annotator, group }] = batch;
  const request = { annotator, client_id: clientId, ops: batch.map((entry) => entry.op) };
  if (group) request.together = true;
  return request;
}

const two = (n) => String(n).padStart(2, "0");

export function clock(ms) {
  const t = new Date(ms);
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

// The line that says where one stands. It never claims more than the server has answered.
export function statusText({ pending, syncedAt, failures, problem, retryAt, now }) {
  if (!failures) {
    const when = syncedAt ? `synced ${clock(syncedAt)}` : "connected";
    return `${when}, ${pending} pending`;
  }
  const seconds = Math.max(0, Math.ceil((retryAt - now) / 1000));
  const why = problem ?? "server away";
  const when = seconds > 0 ? `retrying in ${seconds} s` : "retrying";
  return `${why}: ${pending} pending, ${when}`;
}

// ---- storage ----------------------------------------------------------------------------------

export class Storage {
  constructor(store, workspace) {
    this.store = store;
    this.prefix = `moola-desk:${workspace}:`;
    this.lastSeq = 0;
  }

  // Rising over all tabs and reloads, as far as one clock can tell.
  seq(now) {
    this.lastSeq = Math.max(this.lastSeq + 1, Math.round(now * 1000));
    return this.lastSeq;
  }

  name(entry) {
    return `${this.prefix}op:${String(entry.seq).padStart(18, "0")}:${entry.op.op_id}`;
  }

  put(entry) {
    this.store.setItem(this.name(entry), JSON.stringify(entry));
  }

  remove(entry) {
    this.store.removeItem(this.name(entry));
  }

  all() {
    const keys = [];
    const wanted = `${this.prefix}op:`;
    for (let i = 0; i < this.store.length; i += 1) {
      const key = this.store.key(i);
      if (key?.startsWith(wanted)) keys.push(key);
    }
    return keys.sort().map((key) => this.read(key)).filter(Boolean);
  }

  read(key) {
    try {
      return JSON.parse(this.store.getItem(key));
    } catch {
      return null; // a half-written entry of a crashed browser: it was never shown as done
    }
  }

  owns(key) {
    return key?.startsWith(`${this.prefix}op:`);
  }

  remember(name, value) {
    if (value === null) this.store.removeItem(this.prefix + name);
    else this.store.setItem(this.prefix + name, JSON.stringify(value));
  }

  recall(name) {
    return this.read(this.prefix + name);
  }
}

// ---- sending ----------------------------------------------------------------------------------

// Sends what lies in the storage, whoever wrote it. `lock(work)` lets one tab at a time in.
export class Sender {
  constructor({ storage, post, lock, clientId, timers, now, onAnswers, onStatus, onSend }) {
    Object.assign(this, { storage, post, lock, clientId, timers, now, onAnswers, onStatus, onSend });
    this.failures = 0;
    this.syncedAt = null;
    this.problem = null;
    this.retryAt = 0;
    this.busy = false;
    this.again = false;
    this.stopped = false;
  }

  // Something was written, or the server may be back: look at once.
  poke({ now: atOnce = false } = {}) {
    if (this.stopped) return;
    if (this.busy) {
      this.again = true;
      return;
    }
    const wait = this.failures && !atOnce ? Math.max(0, this.retryAt - this.now()) : 0;
    this.timers.clear(this.timer);
    if (wait) this.timer = this.timers.set(() => this.run(), wait);
    else this.run();
  }

  async run() {
    this.busy = true;
    this.again = false;
    let more = false;
    try {
      more = await this.lock(() => this.sendOnce());
    } finally {
      this.busy = false;
    }
    if (this.stopped) return;
    if (more || this.again) this.poke();
    else this.waitForHeld();
  }

  waitForHeld() {
    const until = heldUntil(this.storage.all(), this.now());
    if (until === null) return;
    this.timers.clear(this.timer);
    this.timer = this.timers.set(() => this.poke(), until - this.now() + 1);
  }

  // One request; true if there is more to do at once.
  async sendOnce() {
    const batch = nextBatch(this.storage.all(), this.now());
    if (!batch.length) return false;
    const [first] = batch;
    this.onSend?.(batch);
    try {
      const answer = await this.post(body(batch, this.clientId), REQUEST_MS);
      if (answer.refused) await this.refused(batch, first, answer.refused);
      else await this.settled(batch, answer);
    } catch (error) {
      this.failed(error);
    }
    return true;
  }

  async settled(batch, response) {
    this.failures = 0;
    this.problem = null;
    this.syncedAt = this.now();
    const answered = new Set(response.answers.map((answer) => answer.op_id));
    const done = batch.filter((entry) => answered.has(entry.op.op_id));
    await this.onAnswers({ entries: done, response }); // an entry goes once its answer is taken in
    for (const entry of done) this.storage.remove(entry);
    this.onStatus();
    if (done.length < batch.length) throw new Error("the server left operations unanswered");
  }

  // The server could not read the request. Alone it is that operation's fault, else find which one.
  async refused(batch, first, message) {
    const alone = batch.length === 1 || first.group;
    if (alone) {
      const answers = batch.map((entry) => ({ op_id: entry.op.op_id, status: "refused", message, rev: null, item: null }));
      await this.settled(batch, { answers });
      return;
    }
    for (const entry of batch) {
      const answer = await this.post(body([entry], this.clientId), REQUEST_MS);
      const answers = [{ op_id: entry.op.op_id, status: "refused", message: answer.refused, rev: null, item: null }];
      await this.settled([entry], answer.refused ? { answers } : answer);
    }
  }

  failed(error) {
    this.failures += 1;
    this.problem = error?.problem ?? null;
    this.retryAt = this.now() + waitMs(this.failures);
    this.onStatus();
  }

  // The page goes away: one last try that outlives it. The entries stay, a second time does nothing.
  flush(send) {
    const entries = this.storage.all().map((entry) => ({ ...entry, hold: 0 }));
    const batch = nextBatch(entries, this.now());
    if (!batch.length) return;
    const text = JSON.stringify(body(batch, this.clientId));
    if (text.length < KEEPALIVE_BYTES) send(text);
  }

  status(pending) {
    const { syncedAt, failures, problem, retryAt } = this;
    return { pending, syncedAt, failures, problem, retryAt, now: this.now() };
  }

  stop() {
    this.stopped = true;
    this.timers.clear(this.timer);
  }
}
