// Keys of the desk: which action a key press means, and how a person may change that. No DOM.
// A key is written "X", "Shift+W", "Ctrl+Z", "Space", "ArrowLeft", "[", "?".

const action = (group, name, keys, text, more = {}) => ({ group, name, keys, text, ...more });

// `repeats`: holding the key down repeats the action. No decision does: it would decide every
// window that follows.
export const ACTIONS = [
  action("Decide", "accept", ["Space", "Enter"], "Accept what is drawn, next"),
  action("Decide", "reject", ["X"], "Reject, next; then 1 – 9 within 1.5 s says why"),
  action("Decide", "flag", ["F"], "Flag for a second look, next"),
  action("Decide", "defer", ["S"], "Defer, next"),
  action("Decide", "undo", ["Z", "Ctrl+Z"], "Undo, across windows"),
  action("Decide", "redo", ["Y", "Ctrl+Y"], "Redo"),
  action("Queue", "next", ["J"], "Next window, no decision", { repeats: true }),
  action("Queue", "previous", ["K"], "Previous window, no decision", { repeats: true }),
  action("Queue", "go_to", ["G"], "Go to a window by its name or id"),
  action("Queue", "gallery", ["V"], "Gallery of 12"),
  action("Span", "nudge_left", ["ArrowLeft"], "Active edge one bar left", { repeats: true }),
  action("Span", "nudge_right", ["ArrowRight"], "Active edge one bar right", { repeats: true }),
  action("Span", "nudge_left_5", ["Shift+ArrowLeft"], "Active edge five bars left", { repeats: true }),
  action("Span", "nudge_right_5", ["Shift+ArrowRight"], "Active edge five bars right", { repeats: true }),
  action("Span", "other_edge", ["E", "Tab"], "Other edge, then the next span"),
  action("Span", "snap_start", ["["], "Start of the span to the cursor"),
  action("Span", "snap_end", ["]"], "End of the span to the cursor"),
  action("Span", "new_span", ["N"], "New span at the cursor"),
  action("Span", "delete_span", ["D", "Delete"], "Remove the active span"),
  action("Span", "widen", ["W"], "Widen the uncertainty of the active edge", { repeats: true }),
  action("Span", "narrow", ["Shift+W"], "Narrow the uncertainty", { repeats: true }),
  action("Name", "class_1", ["1"], "Consolidation"),
  action("Name", "class_2", ["2"], "Retracement"),
  action("Name", "class_3", ["3"], "Reversal"),
  action("Name", "grade_a", ["Shift+1"], "Grade A"),
  action("Name", "grade_b", ["Shift+2"], "Grade B"),
  action("Name", "grade_c", ["Shift+3"], "Grade C"),
  action("Name", "up", ["U"], "Direction up"),
  action("Name", "down", ["L"], "Direction down"),
  action("Name", "note", ["I"], "Write a note"),
  action("View", "model", ["M"], "Show what the model says"),
  action("View", "hide", ["T"], "Hide the bars after the cursor"),
  action("View", "replay", ["P"], "Replay: one more bar", { repeats: true }),
  action("View", "zoom_in", ["=", "+"], "Zoom in", { repeats: true }),
  action("View", "zoom_out", ["-"], "Zoom out, into the bars around", { repeats: true }),
  action("View", "zoom_reset", ["0"], "The window alone again"),
  action("View", "help", ["?"], "All keys"),
];

export const byName = (name) => ACTIONS.find((known) => known.name === name);

// The keys as one person has them: his own choice replaces the usual keys of an action.
export function keysOf(own = {}) {
  return Object.fromEntries(ACTIONS.map(({ name, keys }) => [name, own?.[name] ? [own[name]] : keys]));
}

export function lookup(own = {}) {
  const found = {};
  const keys = keysOf(own);
  for (const { name } of ACTIONS) for (const key of keys[name]) found[key] ??= name;
  // A chosen key wins over the usual key of another action.
  for (const [name, key] of Object.entries(own ?? {})) if (byName(name)) found[key] = name;
  return found;
}

// The digit row counts by place, letters by what they write: Shift+1 is "!" on one keyboard and
// "1" needs Shift on another. A letter that is not Latin falls back to its place.
export function keyName(event) {
  const held = event.ctrlKey || event.metaKey;
  const graph = event.getModifierState?.("AltGraph");
  if (event.altKey && !graph) return null;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code ?? "")?.[1];
  let base = event.key;
  if (graph) return base?.length === 1 ? base : null;
  if (digit) base = digit;
  else if (base === " ") base = "Space";
  else if (/^[a-z]$/i.test(base)) base = base.toUpperCase();
  else if (/^Key[A-Z]$/.test(event.code ?? "") && base?.length === 1 && base > "~") base = event.code[3];
  const shifts = event.shiftKey && (digit || base?.length > 1 || /^[A-Z]$/.test(base));
  return `${held ? "Ctrl+" : ""}${shifts ? "Shift+" : ""}${base}`;
}

const TYPING = /^(INPUT|TEXTAREA|SELECT)$/;

export const isTyping = (node) =>
  !!node && (node.isContentEditable || (TYPING.test(node.tagName ?? "") && !/^(checkbox|radio|button|range)$/.test(node.type ?? "")));

// Space and Enter press what has the focus: that is no decision about the window. Tab goes on from it.
function isPress(key, node) {
  const isButton = /^(BUTTON|A|SUMMARY)$/.test(node?.tagName ?? "") || /^(button|tab)$/.test(node?.role ?? "");
  const isChoice = /^(option|checkbox|switch|radio)$/.test(node?.role ?? "");
  return (isButton && /^(Space|Enter|Tab)$/.test(key)) || (isChoice && /^(Space|Tab)$/.test(key));
}

// What a key press asks for, or null. `node` is where it was pressed.
export function actionOf(event, node, table) {
  if (isTyping(node) || event.isComposing) return null;
  const key = keyName(event);
  const name = key && table[key];
  if (!name) return null;
  if (isPress(key, node)) return null;
  return event.repeat && !byName(name).repeats ? { name, ignored: true } : { name, key };
}

// Give an action a key of one's own, or say who has it.
export function rebind(own, name, key) {
  if (/^(Escape|Ctrl\+.*|Shift|Control|Alt|Meta|Backspace|AltGraph|Dead|Unidentified)$/.test(key)) {
    return { own, refused: `${label(key)} cannot be given to an action.` };
  }
  const holder = lookup(own)[key];
  if (holder && holder !== name) return { own, refused: `${label(key)} is "${byName(holder).text}".` };
  return { own: { ...own, [name]: key }, refused: null };
}

const SIGNS = { ArrowLeft: "←", ArrowRight: "→", Delete: "Del", Shift: "⇧" };

export const label = (key) =>
  key.split(/(?<=.)\+(?=.)/).map((part) => SIGNS[part] ?? part).join(" ");
