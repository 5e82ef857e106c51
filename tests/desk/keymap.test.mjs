import assert from "node:assert/strict";
import { test } from "node:test";
import * as keymap from "../../moola/ui/desk/keymap.js";

const press = (key, code, more = {}) => ({ key, code, ...more });
const table = keymap.lookup();
const act = (event, node = { tagName: "BODY" }) => keymap.actionOf(event, node, table);

test("every key of the flow means its action", () => {
  const wanted = {
    Space: "accept", Enter: "accept", X: "reject", F: "flag", S: "defer", J: "next", K: "previous",
    ArrowLeft: "nudge_left", "Shift+ArrowRight": "nudge_right_5", E: "other_edge", Tab: "other_edge",
    "[": "snap_start", "]": "snap_end", N: "new_span", D: "delete_span", Delete: "delete_span",
    1: "class_1", 3: "class_3", "Shift+2": "grade_b", U: "up", L: "down", W: "widen", "Shift+W": "narrow",
    M: "model", T: "hide", P: "replay", Z: "undo", Y: "redo", "Ctrl+Z": "undo", G: "go_to", "?": "help",
  };
  for (const [key, name] of Object.entries(wanted)) assert.equal(table[key], name, key);
  assert.equal(table.Backspace, undefined);
});

test("no key has two actions", () => {
  const keys = keymap.ACTIONS.flatMap((action) => action.keys);
  assert.equal(new Set(keys).size, keys.length);
});

test("digits count by their place and letters by what they write", () => {
  assert.equal(keymap.keyName(press("!", "Digit1", { shiftKey: true })), "Shift+1");
  assert.equal(keymap.keyName(press("&", "Digit1")), "1");
  assert.equal(keymap.keyName(press("y", "KeyZ")), "Y"); // a German keyboard
  assert.equal(keymap.keyName(press("ч", "KeyX")), "X"); // a Russian one
  assert.equal(keymap.keyName(press("?", "Slash", { shiftKey: true })), "?");
  assert.equal(keymap.keyName(press(" ", "Space")), "Space");
  assert.equal(keymap.keyName(press("z", "KeyZ", { ctrlKey: true, shiftKey: true })), "Ctrl+Shift+Z");
});

test("brackets that need AltGr are brackets", () => {
  const event = press("[", "Digit8", { altKey: true, ctrlKey: true, getModifierState: (name) => name === "AltGraph" });
  assert.equal(keymap.keyName(event), "[");
});

test("a held key repeats a nudge and never a decision", () => {
  assert.equal(act(press("x", "KeyX", { repeat: true })).ignored, true);
  assert.equal(act(press(" ", "Space", { repeat: true })).ignored, true);
  assert.equal(act(press("z", "KeyZ", { repeat: true })).ignored, true);
  assert.equal(act(press("ArrowLeft", "ArrowLeft", { repeat: true })).ignored, undefined);
});

test("letters typed into a field mean nothing", () => {
  for (const tagName of ["INPUT", "TEXTAREA", "SELECT"]) assert.equal(act(press("x", "KeyX"), { tagName }), null);
  assert.equal(act(press("x", "KeyX"), { tagName: "DIV", isContentEditable: true }), null);
  assert.equal(act(press("x", "KeyX"), { tagName: "INPUT", type: "checkbox" }).name, "reject");
});

test("Space presses the button that has the focus, and X still rejects", () => {
  assert.equal(act(press(" ", "Space"), { tagName: "BUTTON" }), null);
  assert.equal(act(press("x", "KeyX"), { tagName: "BUTTON" }).name, "reject");
  assert.equal(act(press(" ", "Space"), { tagName: "DIV", role: "checkbox" }), null);
  assert.equal(act(press("Enter", "Enter"), { tagName: "DIV", role: "checkbox" }).name, "accept");
});

test("an action takes a key of one's own and gives its usual one back", () => {
  const { own, refused } = keymap.rebind({}, "reject", "R");
  assert.equal(refused, null);
  const mine = keymap.lookup(own);
  assert.equal(mine.R, "reject");
  assert.equal(mine.X, undefined);
});

test("a key that another action has is refused with its name", () => {
  const { own, refused } = keymap.rebind({}, "reject", "F");
  assert.deepEqual(own, {});
  assert.match(refused, /Flag/);
  assert.match(keymap.rebind({}, "reject", "Escape").refused, /cannot/);
});
