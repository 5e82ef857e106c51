// The head of the desk: what is shown, how far one is, the buttons with their keys, the last
// decision with the reasons. Nothing here moves between windows.
import * as items from "./item.js";
import * as keymap from "./keymap.js";
import * as desk from "./state.js";
import * as dom from "./dom.js";

const { h } = dom;

const BUTTONS = [
  ["accept", "Accept"], ["reject", "Reject"], ["flag", "Flag"], ["defer", "Defer"], null,
  ["previous", "Back"], ["next", "Skip"], null,
  ["undo", "Undo"], ["redo", "Redo"], null,
  ["new_span", "New span"], ["delete_span", "Remove"], ["other_edge", "Edge"], null,
  ["model", "Model"], ["hide", "Hide future"], ["replay", "Step"], null,
  ["zoom_in", "+"], ["zoom_out", "−"], ["zoom_reset", "Fit"], null,
  ["gallery", "Gallery"], ["go_to", "Go to"], ["help", "Keys"],
];
const LEAST_ACCEPTS = 10; // fewer say nothing about haste
const TITLES = { zoom_in: "Zoom in", zoom_out: "Zoom out", zoom_reset: "The window alone" };

export class Toolbar {
  constructor(act) {
    this.act = act;
    this.name = h("strong", { "data-testid": "desk-name" });
    this.state = h("span", { class: "chip state", "data-testid": "desk-state" });
    this.standing = h("span", { class: "chip", "data-testid": "desk-standing" });
    this.mode = h("span", { class: "chip", "data-testid": "desk-mode" });
    this.warnings = h("span", { class: "warnings" });
    this.facts = h("span", { class: "facts" });
    this.meter = h("div", { class: "meter", "data-testid": "desk-progress" });
    this.bar = h("i");
    this.trust = h("div", { class: "trust", "data-testid": "desk-trust" });
    this.sync = h("button", { type: "button", class: "sync", "data-testid": "desk-sync", "aria-live": "polite", title: "Send what is pending now", onclick: () => act("sync") });
    this.sync.addEventListener("pointerdown", (event) => event.preventDefault());
    this.top = h("div", { class: "top" },
      h("div", { class: "title" }, this.name, this.state, this.standing, this.mode, this.warnings, this.facts),
      h("div", { class: "meters" }, this.meter, h("div", { class: "track", "aria-hidden": "true" }, this.bar), this.trust), this.sync);
    this.buttons = {};
    this.tools = h("div", { class: "tools", role: "toolbar", "aria-label": "Desk" }, ...this.makeButtons());
    this.reasons = this.makeReasons();
  }

  makeButtons() {
    return BUTTONS.map((entry) => {
      if (!entry) return h("span", { class: "gap" });
      const [name, text] = entry;
      const attributes = { class: `tool ${name}`, title: keymap.byName(name).text, "aria-label": TITLES[name] ?? text };
      this.buttons[name] = dom.button(text, "", `desk-${name.replaceAll("_", "-")}`, (event) => this.act(name, event), attributes);
      return this.buttons[name];
    });
  }

  makeReasons() {
    this.last = h("span", { class: "last", "data-testid": "desk-last" });
    this.chips = items.REASONS.map((reason, i) => {
      const key = i < 9 ? String(i + 1) : "";
      return dom.button(items.words(reason), key, `reason-${reason}`, (event) => this.act("reason", event, reason), { class: "reason", title: `The reason of the last rejection: ${items.words(reason)}` });
    });
    return h("div", { class: "reasons" }, h("div", { class: "chips", role: "group", "aria-label": "Why the last window was rejected" }, ...this.chips));
  }

  setKeys(own) {
    const keys = keymap.keysOf(own);
    for (const [name, node] of Object.entries(this.buttons)) {
      dom.setText(node.lastChild, keymap.label(keys[name][0]));
      node.title = `${keymap.byName(name).text} (${keys[name].map(keymap.label).join(" or ")})`;
    }
  }

  draw(state, item, now) {
    this.drawTitle(state, state.overlay === "gallery" ? null : item);
    this.drawMeters(state);
    this.drawLast(state, now);
    const pressed = { model: state.model, hide: state.hidden !== null, gallery: state.overlay === "gallery" };
    for (const [name, isOn] of Object.entries(pressed)) this.buttons[name].setAttribute("aria-pressed", isOn);
  }

  drawTitle(state, item) {
    dom.setText(this.name, item ? item.name : titleWithout(state));
    dom.setText(this.state, item?.state ? items.words(item.state === "rejected" && item.reason ? `rejected: ${item.reason}` : item.state) : "");
    this.state.className = `chip state ${item?.state ?? "none"}`;
    dom.show(this.state, !!item);
    dom.setText(this.standing, item?.standing ?? "");
    dom.show(this.standing, !!item && !!item.standing && item.standing !== "single");
    // A catch trial that says so catches nobody.
    const named = { blind: "blind", repeat: "second time" }[item?.mode];
    dom.setText(this.mode, named ?? "");
    dom.show(this.mode, !!named);
    const facts = item?.facts ?? {};
    const warned = [["gap", facts.gap], ["roll", facts.roll], ["cold", facts.cold]].filter(([, is]) => is).map(([name]) => name);
    dom.setText(this.warnings, warned.join(" · "));
    const known = [facts.text, facts.hours, facts.volatility && `${facts.volatility} volatility`];
    dom.setText(this.facts, known.filter(Boolean).join(" · "));
    this.facts.title = this.facts.textContent;
  }

  drawMeters(state) {
    const counts = desk.meter(state);
    const seconds = desk.pace(state);
    const parts = [];
    if (counts) {
      const { done, total, words, kept } = counts;
      const left = Math.max(0, total - done);
      parts.push(`${done.toLocaleString("en")} of ${total.toLocaleString("en")} ${words}`);
      if (done && kept !== undefined) parts.push(`kept ${kept} of ${done}`);
      if (seconds) parts.push(`${seconds.toFixed(1)} s a window`, `${duration(left * seconds)} left`);
      this.bar.style.width = `${total ? (100 * done) / total : 0}%`;
    }
    dom.setText(this.meter, parts.join(" · "));
    this.drawTrust(state.trust);
  }

  // What speaks against one's own accepts: moved proposals that were taken, and haste.
  drawTrust(trust) {
    const said = [];
    if (trust?.trials) said.push(`${trust.caught} of ${trust.trials} moved proposals accepted`);
    const isHasty = trust?.warn && trust.accepts >= LEAST_ACCEPTS;
    if (isHasty) said.push(`${trust.hasty} of the last ${trust.accepts} accepts took under 0.6 s`);
    dom.setText(this.trust, said.join(" · "));
    this.trust.classList.toggle("warn", !!isHasty);
  }

  drawLast(state, now) {
    const { last } = state;
    const waits = last && state.pending.some((entry) => entry.op.op_id === last.op);
    const reason = last?.reason ? `: ${items.words(last.reason)}` : "";
    dom.setText(this.last, last ? `${waits ? "◦" : "✓"} ${last.text} ${last.name}${reason}` : "No decision yet");
    this.last.classList.toggle("done", !!last && !waits);
    const isOpen = now < state.reasonUntil;
    this.reasons.classList.toggle("open", isOpen);
    const current = last?.kind === "reject" ? last.reason : desk.shown(state)?.reason;
    this.chips.forEach((chip, i) => chip.setAttribute("aria-pressed", items.REASONS[i] === current));
  }

  drawSync(text, tone) {
    dom.setText(this.sync, text);
    this.sync.className = `sync ${tone}`;
  }
}

function titleWithout(state) {
  if (state.overlay === "gallery") return "Gallery";
  return state.loaded ? "Queue" : "Loading the queue …";
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
