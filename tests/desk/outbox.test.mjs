import assert from "node:assert/strict";
import { test } from "node:test";
import * as outbox from "../../moola/ui/desk/outbox.js";

const entry = (n, more = {}) => ({
  seq: n, annotator: "ann", key: `w${n}`, uid: `w${n}`, series: "ES", bar: n * 1000, group: null, hold: 0,
  op: { op_id: `op${n}`, kind: "reject", window_uid: `w${n}`, rev: 0, args: {} }, ...more,
});
const ids = (entries) => entries.map((known) => known.op.op_id);

function fakeStore() {
  const map = new Map();
  return {
    map, getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, String(value)),
    removeItem: (key) => map.delete(key), key: (i) => [...map.keys()][i], get length() { return map.size; },
  };
}

// A server in memory that a test may take away; it does every operation id once.
function fakeServer() {
  const it = { done: [], away: false, loseAnswer: false, requests: [] };
  it.post = async (request) => {
    it.requests.push(request);
    if (it.away) throw Object.assign(new Error("away"), { problem: "server away" });
    for (const op of request.ops) if (!it.done.includes(op.op_id)) it.done.push(op.op_id);
    if (it.loseAnswer) {
      it.loseAnswer = false;
      throw new Error("connection lost");
    }
    return { answers: request.ops.map((op) => ({ op_id: op.op_id, status: "done", rev: 1, item: null })) };
  };
  return it;
}

function senderOn(store, server, more = {}) {
  const storage = new outbox.Storage(store, "ws");
  const it = { storage, acknowledged: [], now: 0, timers: [] };
  it.sender = new outbox.Sender({
    storage, post: server.post, lock: (work) => work(), clientId: "tab", now: () => it.now,
    timers: { set: (work, ms) => { it.timers.push({ work, ms }); return it.timers.length; }, clear: () => {} },
    onAnswers: ({ entries }) => it.acknowledged.push(...ids(entries)), onStatus: () => {}, ...more,
  });
  it.idle = async () => {
    for (let i = 0; i < 200; i += 1) await Promise.resolve();
  };
  // Let time pass until the next timer and run it.
  it.tick = async () => {
    const { work, ms } = it.timers.pop();
    it.now += ms;
    work();
    await it.idle();
  };
  return it;
}

test("operations leave in order and are removed once answered", async () => {
  const store = fakeStore(), server = fakeServer();
  const it = senderOn(store, server);
  for (let n = 1; n <= 60; n += 1) it.storage.put(entry(n));
  it.sender.poke();
  await it.idle();
  assert.deepEqual(server.done, Array.from({ length: 60 }, (_, i) => `op${i + 1}`));
  assert.equal(store.length, 0);
  assert.ok(server.requests.every((request) => request.ops.length <= 25));
});

test("a lost server is asked again, ever less often, and gets everything once", async () => {
  const store = fakeStore(), server = fakeServer();
  const it = senderOn(store, server);
  server.away = true;
  it.storage.put(entry(1));
  it.sender.poke();
  await it.idle();
  const waits = [];
  for (let i = 0; i < 8; i += 1) {
    waits.push(it.timers.at(-1).ms);
    await it.tick();
  }
  assert.deepEqual(waits, [400, 800, 1600, 3200, 6400, 10000, 10000, 10000]);
  it.storage.put(entry(2));
  assert.equal(store.length, 2);
  assert.match(outbox.statusText(it.sender.status(2)), /server away: 2 pending, retrying in 10 s/);
  server.away = false;
  await it.tick();
  assert.deepEqual(server.done, ["op1", "op2"]);
  assert.match(outbox.statusText(it.sender.status(0)), /^synced \d\d:\d\d:\d\d, 0 pending$/);
});

test("an answer that was lost on its way is asked for again under the same id", async () => {
  const store = fakeStore(), server = fakeServer();
  const it = senderOn(store, server);
  server.loseAnswer = true;
  it.storage.put(entry(1));
  it.sender.poke();
  await it.idle();
  assert.equal(store.length, 1);
  await it.tick();
  assert.deepEqual(server.done, ["op1"]);
  assert.deepEqual(server.requests.map((request) => request.ops[0].op_id), ["op1", "op1"]);
  assert.deepEqual(it.acknowledged, ["op1"]);
});

test("what another page left behind is sent by the next one", async () => {
  const store = fakeStore(), server = fakeServer();
  new outbox.Storage(store, "ws").put(entry(1));
  const it = senderOn(store, server);
  it.sender.poke();
  await it.idle();
  assert.deepEqual(it.acknowledged, ["op1"]);
});

test("a half-written entry is left aside", () => {
  const store = fakeStore();
  const storage = new outbox.Storage(store, "ws");
  storage.put(entry(1));
  store.setItem("moola-desk:ws:op:000000000000000002:op2", '{"seq": 2, "op"');
  assert.deepEqual(ids(storage.all()), ["op1"]);
});

test("people and galleries never share a request", () => {
  const list = [entry(1), entry(2, { annotator: "bob" }), entry(3)];
  assert.deepEqual(ids(outbox.nextBatch(list, 0)), ["op1"]);
  const group = Array.from({ length: 30 }, (_, i) => entry(i + 1, { group: "g" }));
  const batch = outbox.nextBatch([...group, entry(99)], 0);
  assert.equal(batch.length, 30);
  assert.equal(outbox.body(batch, "tab").together, true);
});

test("windows that share bars wait for one another", () => {
  assert.deepEqual(ids(outbox.nextBatch([entry(1, { bar: 0 }), entry(2, { bar: 52 }), entry(3)], 0)), ["op1"]);
  assert.deepEqual(ids(outbox.nextBatch([entry(1, { bar: 0 }), entry(2, { bar: 105 })], 0)), ["op1", "op2"]);
  const same = { key: "w", bar: 0 };
  assert.deepEqual(ids(outbox.nextBatch([entry(1, same), entry(2, same)], 0)), ["op1", "op2"]);
});

test("the newest nudge is held for a moment, and no longer once something follows", () => {
  const held = entry(2, { hold: 500 });
  assert.deepEqual(ids(outbox.nextBatch([entry(1), held], 100)), ["op1"]);
  assert.deepEqual(ids(outbox.nextBatch([entry(1), held], 501)), ["op1", "op2"]);
  assert.deepEqual(ids(outbox.nextBatch([entry(1), held, entry(3)], 100)), ["op1", "op2", "op3"]);
});

test("a held nudge leaves by itself", async () => {
  const store = fakeStore(), server = fakeServer();
  const it = senderOn(store, server);
  it.storage.put(entry(1, { hold: 300 }));
  it.sender.poke();
  await it.idle();
  assert.deepEqual(server.done, []);
  await it.tick();
  assert.deepEqual(server.done, ["op1"]);
});

test("one operation that the server cannot read does not hold up the others", async () => {
  const store = fakeStore(), server = fakeServer();
  const answers = [];
  const post = async (request) => (request.ops.some((op) => op.op_id === "op2") ? { refused: "not an operation" } : server.post(request));
  const it = senderOn(store, { post }, { onAnswers: ({ response }) => answers.push(...response.answers) });
  for (const n of [1, 2, 3]) it.storage.put(entry(n));
  it.sender.poke();
  await it.idle();
  assert.deepEqual(server.done, ["op1", "op3"]);
  assert.deepEqual(answers.map((answer) => [answer.op_id, answer.status]), [["op1", "done"], ["op2", "refused"], ["op3", "done"]]);
  assert.equal(store.length, 0);
});

test("an answer that could not be taken in is asked for again", async () => {
  const store = fakeStore(), server = fakeServer();
  let times = 0;
  const it = senderOn(store, server, { onAnswers: async () => { times += 1; if (times === 1) throw new Error("the window could not be read"); } });
  it.storage.put(entry(1));
  it.sender.poke();
  await it.idle();
  assert.equal(store.length, 1);
  await it.tick();
  assert.deepEqual([server.done.length, times, store.length], [1, 2, 0]);
});

test("leaving the page sends what is held, and keeps it", () => {
  const it = senderOn(fakeStore(), fakeServer());
  it.storage.put(entry(1, { hold: 99999 }));
  const sent = [];
  it.sender.flush((text) => sent.push(JSON.parse(text)));
  assert.equal(sent[0].ops[0].op_id, "op1");
  assert.equal(it.storage.all().length, 1);
});

test("the order holds over reloads within one millisecond", () => {
  const storage = new outbox.Storage(fakeStore(), "ws");
  assert.ok(storage.seq(5) < storage.seq(5));
  for (const n of [3, 1, 2]) storage.put(entry(n));
  assert.deepEqual(ids(storage.all()), ["op1", "op2", "op3"]);
});
