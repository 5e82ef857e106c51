// The labelling desk: the queue's next windows in memory, every key answered here, every operation
// in the outbox before it is shown. Python starts it; after that it lives on HTTP.
//
// data = {annotator, workspace, mode, filters: {series, types, run}, api, window: uid|null,
//         settings: {inner: [first, last]}, colors: {binary, countdown}}
import * as items from "./item.js";
import * as keymap from "./keymap.js";
import * as desk from "./state.js";
import * as reducer from "./reducer.js";
import * as outbox from "./outbox.js";
import * as server from "./server.js";
import * as stage from "./stage.js";
import * as dom from "./dom.js";

const REVIEW_MODES = { blind: "blind", repeats: "repeat", "audit-blind": "repeat" };
const RETRY_MS = 2000, ADDRESS_MS = 400, LAST_LOOK_MS = 15000, CLOCK_MS = 500;
const DECISIONS = new Set(["accept", "reject", "flag", "defer"]);
const SWITCHES = new Set([...DECISIONS, "next", "previous", "undo", "redo", "open_cell"]);

const hex = (bytes) => [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// One tab at a time sends. Without locks (a page that is not from this machine) the server's
// memory of operation ids keeps twins apart.
const locked = (name) => (work) => (navigator.locks ? navigator.locks.request(name, work) : work());

class Desk {
  // `cameFrom` is the window that the desk of another queue showed: the address still names it.
  constructor(host, data, cameFrom = null) {
    Object.assign(this, { host, data, cameFrom });
    this.clientId = `tab-${hex(6)}`;
    this.storage = new outbox.Storage(localStorage, data.workspace);
    this.server = new server.Server(data.api ?? "/desk", (...args) => window.fetch(...args));
    this.state = desk.initial({ annotator: data.annotator, clientId: this.clientId });
    this.own = {};
    this.started = new Map(); // op id -> when its key was pressed
    this.stage = new stage.Stage(host, data, {
      act: (name, event, value) => this.act(name, event, value),
      dispatch: (action, event) => this.dispatch(action, event),
      state: () => this.state,
      pointAt: (bar) => (this.state = reducer.reduce(this.state, { type: "bar", bar }, this.env()).state),
      server: this.server,
      own: () => this.own,
      setKeys: (own) => this.setKeys(own),
      goTo: (name) => this.goTo(name),
    });
    this.sender = new outbox.Sender({
      storage: this.storage, clientId: this.clientId, lock: locked(this.storage.prefix),
      post: (request, timeout) => this.server.post(request, timeout),
      timers: { set: (work, ms) => setTimeout(work, ms), clear: (timer) => clearTimeout(timer) },
      now: () => Date.now(), onAnswers: (answers) => this.answered(answers), onStatus: () => this.drawSync(),
    });
    this.listen();
    this.start();
  }

  env() {
    return {
      now: Date.now(), newId: () => `desk-${hex(12)}`, newSpanId: () => hex(8),
      seq: () => this.storage.seq(Date.now()),
    };
  }

  // ---- one way in -------------------------------------------------------------------------------

  // An action: new state, its operations in the outbox, the picture. Nothing that could not be
  // written is shown.
  dispatch(action, event = null) {
    const before = this.state;
    const { state, entries } = reducer.reduce(before, action, this.env());
    try {
      for (const entry of entries) this.storage.put(entry);
      if (state.conflicts !== before.conflicts) this.storage.remember(this.conflictsName(), state.conflicts.length ? state.conflicts : null);
    } catch {
      for (const entry of entries) if (!before.pending.some((known) => known.seq === entry.seq)) this.storage.remove(entry);
      this.state = { ...before, notice: { text: "This browser's storage is full: the last action was not taken.", tone: "bad" } };
      this.stage.draw(this.state);
      return;
    }
    this.state = state;
    if (entries.length) this.sender.poke(); // its way through the lock overlaps with the drawing
    this.stage.draw(state);
    this.timeIt(action, event, before, entries);
    this.drawSync();
    this.afterwards(before);
  }

  timeIt(action, event, before, entries) {
    if (!event) return;
    const moved = desk.currentKey(before) !== desk.currentKey(this.state);
    if (before.overlay === "gallery" || action.type === "gallery") dom.measure("gallery", event.timeStamp, action.type);
    else if (SWITCHES.has(action.type) && moved) dom.measure("switch", event.timeStamp, desk.currentKey(this.state));
    else if (action.type === "place") dom.measure("drag", event.timeStamp, desk.currentKey(this.state));
    for (const { op } of entries) this.started.set(op.op_id, event.timeStamp);
  }

  // What a change of the state asks for beyond the picture.
  afterwards(before) {
    if (desk.wantsMore(this.state)) this.loadMore();
    const key = desk.currentKey(this.state);
    if (key !== desk.currentKey(before)) {
      clearTimeout(this.addressTimer);
      this.addressTimer = setTimeout(() => this.writeAddress(), ADDRESS_MS);
      if (key === null) this.loadMore({ again: true });
    }
  }

  // The address names the window, so that a reload comes back to it.
  writeAddress() {
    const item = desk.shown(this.state);
    const address = new URL(location.href);
    if (!item || this.stopped || address.searchParams.get("window") === item.uid) return;
    address.searchParams.set("window", item.uid);
    history.replaceState(history.state, "", address);
    this.shownWindow = item.uid;
  }

  // ---- keys and buttons -------------------------------------------------------------------------

  listen() {
    const on = (target, name, handler, options) => {
      target.addEventListener(name, handler, options);
      this.undoListeners.push(() => target.removeEventListener(name, handler, options));
    };
    this.undoListeners = [];
    on(window, "keydown", (event) => this.key(event), true);
    on(window, "pagehide", () => this.leave());
    on(window, "online", () => this.sender.poke({ now: true }));
    on(window, "storage", (event) => this.otherTabWrote(event));
    on(document, "visibilitychange", () => this.visibility());
    if (window.BroadcastChannel) {
      this.channel = new BroadcastChannel(this.storage.prefix);
      this.channel.onmessage = ({ data }) => this.heard(data);
      this.undoListeners.push(() => this.channel.close());
    }
    const ticking = setInterval(() => this.drawSync(), CLOCK_MS);
    this.undoListeners.push(() => clearInterval(ticking));
  }

  key(event) {
    const node = event.composedPath()[0];
    if (!this.host.isConnected || this.stage.takesKey(event, node)) return;
    const found = keymap.actionOf(event, node, this.table);
    const inGallery = this.state.overlay === "gallery";
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code ?? "")?.[1];
    const plainDigit = digit && !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey && !keymap.isTyping(node);
    const givenAway = found && !/^class_/.test(found.name);
    if (plainDigit && !givenAway) {
      event.preventDefault();
      event.stopPropagation();
      if (!event.repeat) this.dispatch({ type: "digit", number: +digit }, event);
      return;
    }
    if (!found) return;
    event.preventDefault(); // also of a repeated key: Space must not scroll
    event.stopPropagation();
    if (found.ignored || (inGallery && !/^(accept|gallery|undo|redo|help|go_to)$/.test(found.name))) return;
    if (inGallery && found.key === "Space") return;
    this.act(found.name, event);
  }

  act(name, event = null, value = null) {
    const simple = {
      nudge_left: { type: "nudge", by: -1 }, nudge_right: { type: "nudge", by: 1 },
      nudge_left_5: { type: "nudge", by: -5 }, nudge_right_5: { type: "nudge", by: 5 },
      snap_start: { type: "snap", edge: "start" }, snap_end: { type: "snap", edge: "end" },
      widen: { type: "widen", by: 1 }, narrow: { type: "widen", by: -1 },
      class_1: { type: "digit", number: 1 }, class_2: { type: "digit", number: 2 }, class_3: { type: "digit", number: 3 },
      grade_a: { type: "change", values: { grade: "A" } }, grade_b: { type: "change", values: { grade: "B" } }, grade_c: { type: "change", values: { grade: "C" } },
      up: { type: "change", values: { direction: "up" } }, down: { type: "change", values: { direction: "down" } },
      change: { type: "change", values: value }, pick: { type: "pick", id: value }, save_note: { type: "note", note: value },
      cell: { type: "cell", number: value }, open_cell: { type: "open_cell", key: value },
      reason: { type: "reason", reason: value }, help: { type: "overlay", name: "help" }, go_to: { type: "overlay", name: "goto" },
    };
    if (name === "sync") this.sender.poke({ now: true });
    else if (name === "reason" && value === "other") this.dispatch({ type: "overlay", name: "why" }, event);
    else if (name === "look_again") this.loadMore({ again: true });
    else if (!this.stage.act(name, event)) this.dispatch(simple[name] ?? { type: name }, event);
  }

  setKeys(own) {
    this.own = own;
    this.table = keymap.lookup(own);
    this.stage.setKeys(own);
    this.storage.remember(`keys:${this.data.annotator}`, own);
    this.server.savePreferences(this.data.annotator, { keys: own }).catch(() => {});
  }

  // ---- the server -------------------------------------------------------------------------------

  start() {
    const { annotator } = this.data;
    this.own = this.storage.recall(`keys:${annotator}`) ?? {};
    this.table = keymap.lookup(this.own);
    this.stage.setKeys(this.own);
    const waiting = this.storage.all().filter((entry) => entry.annotator === annotator);
    this.state = { ...this.state, conflicts: this.storage.recall(this.conflictsName()) ?? [], shownAt: Date.now() };
    this.dispatch({ type: "pending", entries: waiting });
    this.sender.poke();
    this.readSettings();
    if (this.data.window && this.data.window !== this.cameFrom) this.goTo(this.data.window, { quiet: true });
    this.shownWindow = this.data.window;
    for (const { key } of this.state.conflicts) this.fetchWindow(key).catch(() => {});
  }

  conflictsName() {
    return `conflicts:${this.data.annotator}`;
  }

  async readSettings() {
    const { annotator } = this.data;
    const [preferences, rule] = await Promise.allSettled([this.server.read("/preferences", { annotator }), this.server.read("/rule")]);
    if (this.stopped) return;
    this.settingsRead = rule.status === "fulfilled" && preferences.status === "fulfilled";
    if (rule.status === "fulfilled") this.stage.setRule(rule.value);
    const keys = preferences.value?.keys;
    if (!keys) return;
    this.own = keys;
    this.table = keymap.lookup(keys);
    this.stage.setKeys(keys);
  }

  // The next windows of the queue. A lost server is asked again; meanwhile what is held is worked on.
  async loadMore({ again = false } = {}) {
    if (this.loading || (this.state.exhausted && !again) || (again && Date.now() - (this.lastLook ?? 0) < 1000)) return;
    this.loading = true;
    clearTimeout(this.loadTimer);
    if (again) this.lastLook = Date.now();
    const { annotator, mode, filters } = this.data;
    const query = { mode, annotator, client_id: this.clientId, n: desk.BATCH, after: again ? null : this.state.cursor, skip: desk.skipped(this.state).join(","), ...filters };
    try {
      const response = await this.server.read("/queue", query);
      this.loading = false;
      if (this.stopped) return;
      this.loadProblem = null;
      if (!this.settingsRead) this.readSettings();
      this.dispatch({ type: "queue", response });
      // Others may leave windows in the queue, so its end is looked at again.
      if (this.state.exhausted) this.loadTimer = setTimeout(() => this.loadMore({ again: true }), LAST_LOOK_MS);
    } catch (error) {
      this.loading = false;
      if (this.stopped) return;
      this.loadProblem = error.text ?? error.problem ?? String(error);
      this.drawSync();
      this.loadTimer = setTimeout(() => this.loadMore({ again }), RETRY_MS);
    }
  }

  fetchWindow(key) {
    const mode = items.layerOf(key) ?? this.state.items[key]?.mode ?? this.reviewMode();
    return this.readWindow(items.uidOf(key), mode).then((item) => !this.stopped && this.dispatch({ type: "window", item }));
  }

  readWindow(name, mode) {
    const { annotator, filters } = this.data;
    return this.server.read(`/window/${encodeURIComponent(name)}`, { annotator, mode, run: filters?.run });
  }

  // How a window that is asked for by name is judged in this queue.
  reviewMode() {
    return REVIEW_MODES[this.data.mode] ?? "normal";
  }

  async goTo(name, { quiet = false } = {}) {
    const held = this.state.order.find((key) => key === name || this.state.items[key]?.name === name);
    if (held) {
      this.dispatch({ type: "window", item: this.state.items[held], go: true });
      return;
    }
    try {
      const item = await this.readWindow(name, this.reviewMode());
      if (!this.stopped) this.dispatch({ type: "window", item, go: true });
    } catch (error) {
      if (this.stopped) return;
      if (error.status !== 404 && quiet) setTimeout(() => !this.stopped && this.goTo(name, { quiet }), RETRY_MS);
      else this.dispatch({ type: "say", text: error.text ?? `No window "${name}": ${error.problem}.`, tone: "warn" });
    }
  }

  // Answers: the state first (other tabs too), then the page says so.
  async answered(answers) {
    const unknown = this.unknownConflicts(answers);
    if (unknown.length) await Promise.all(unknown.map((key) => this.fetchWindow(key)));
    this.channel?.postMessage(answers);
    this.dispatch({ type: "answers", ...answers });
    for (const { op } of answers.entries) {
      const start = this.started.get(op.op_id);
      this.started.delete(op.op_id);
      if (start !== undefined) dom.measure("ack", start, op.kind);
    }
    this.fetchMissing(answers);
  }

  // A conflict about a window that this page has not seen: both versions need its bars.
  unknownConflicts({ response, entries }) {
    const conflicts = response.answers.filter((answer) => answer.status === "conflict" && answer.item);
    const keys = conflicts.map((answer) => entries.find((entry) => entry.op.op_id === answer.op_id)?.key);
    return [...new Set(keys)].filter((key) => key && !this.state.items[key]);
  }

  // An undo that reached beyond this tab's memory names a window that may not be held here.
  fetchMissing({ response, entries }) {
    for (const answer of response.answers) {
      const entry = entries.find((sent) => sent.op.op_id === answer.op_id);
      if (!entry || entry.key || !answer.item) continue;
      if (!this.state.items[items.keyOf(answer.item)]) this.goTo(answer.item.uid);
    }
  }

  // ---- other tabs, and leaving ------------------------------------------------------------------

  heard(answers) {
    const { state } = reducer.reduce(this.state, { type: "answers", ...answers, elsewhere: true }, this.env());
    this.state = state;
    this.stage.draw(this.state);
    this.drawSync();
  }

  otherTabWrote(event) {
    if (!this.storage.owns(event.key) || !event.newValue) return;
    const entry = this.storage.read(event.key);
    if (!entry || entry.annotator !== this.data.annotator) return;
    this.dispatch({ type: "pending", entries: [entry] });
  }

  visibility() {
    if (document.hidden) {
      this.hiddenAt = Date.now();
      return;
    }
    if (this.hiddenAt) this.dispatch({ type: "away", ms: Date.now() - this.hiddenAt });
    this.hiddenAt = null;
    this.reconcile();
    this.sender.poke({ now: true });
  }

  // A tab that slept has missed answers: what is no longer in the outbox was sent by another one.
  reconcile() {
    const there = new Set(this.storage.all().map((entry) => entry.op.op_id));
    const gone = this.state.pending.filter((entry) => !there.has(entry.op.op_id));
    if (!gone.length) return;
    this.state = { ...this.state, pending: this.state.pending.filter((entry) => there.has(entry.op.op_id)) };
    for (const key of new Set(gone.map((entry) => entry.key).filter(Boolean))) this.fetchWindow(key).catch(() => {});
  }

  leave() {
    this.stage.saveNote();
    this.sender.flush((text) => this.server.leave(text));
  }

  drawSync() {
    const all = this.state.pending.length;
    const status = this.sender.status(all);
    const text = this.loadProblem && !status.failures ? `${this.loadProblem}: ${all} pending, asking again` : outbox.statusText(status);
    const isAway = status.failures || this.loadProblem;
    this.stage.drawSync(text, isAway ? "away" : all ? "sending" : "synced");
  }

  // New data of the page: another person or queue begins anew, another window is gone to.
  update(data) {
    const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
    const isOther = ["annotator", "workspace", "mode", "filters", "api"].some((name) => !same(data[name], this.data[name]));
    if (isOther) return false;
    const isAsked = data.window && data.window !== this.data.window && data.window !== this.shownWindow;
    this.data = data;
    this.stage.update(data);
    if (isAsked && data.window !== desk.shown(this.state)?.uid) this.goTo(data.window);
    return true;
  }

  stop() {
    this.leave();
    this.stopped = true;
    this.sender.stop();
    this.stage.stop();
    clearTimeout(this.loadTimer);
    clearTimeout(this.addressTimer);
    for (const undo of this.undoListeners) undo();
    this.host.replaceChildren();
  }
}

export default function ({ data, parentElement }) {
  const host = parentElement.querySelector(".desk");
  const old = host.desk;
  if (!old?.update(data)) {
    old?.stop();
    host.desk = new Desk(host, data, old?.shownWindow);
  }
  return () => {
    host.desk?.stop();
    host.desk = null;
  };
}
