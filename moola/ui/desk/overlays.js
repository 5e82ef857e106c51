// What lies over the chart: gallery, keys, go to, conflict, end of the queue.
import * as items from "./item.js";
import * as keymap from "./keymap.js";
import * as desk from "./state.js";
import * as dom from "./dom.js";

const { h } = dom;
const MINI = { width: 300, height: 150 };

export class Gallery {
  constructor(act) {
    this.cells = h("div", { class: "cells" });
    this.count = h("span", { class: "count" });
    this.accept = dom.button("Accept", "Enter", "gallery-accept", (event) => act("accept", event), { class: "tool accept" });
    this.close = dom.button("Back to the desk", "Esc", "gallery-close", (event) => act("gallery", event), { class: "tool" });
    this.node = h("section", { class: "gallery", "aria-label": "Gallery of 12 windows", "data-testid": "gallery" },
      h("div", { class: "gallery-head" }, this.count, this.accept, this.close), this.cells);
    this.act = act;
  }

  draw(state) {
    const keys = desk.galleryKeys(state);
    const cells = keys.map((key) => desk.shown(state, key));
    const picture = JSON.stringify(cells.map((item) => [item.uid, item.rev, item.state, items.drawn(item).map((s) => [s.start, s.end])]));
    if (picture !== this.picture) {
      this.picture = picture;
      this.cells.innerHTML = cells.map((item, i) => cellMarkup(item, i)).join("") || `<p class="empty">Nothing left in this queue.</p>`;
      [...this.cells.querySelectorAll(".cell")].forEach((cell, i) => this.listen(cell, i, keys[i]));
    }
    let ticked = 0;
    [...this.cells.querySelectorAll(".cell")].forEach((cell, i) => {
      const isTicked = !state.gallery.unticked.includes(keys[i]) && items.drawn(cells[i]).length > 0;
      ticked += isTicked;
      cell.setAttribute("aria-checked", isTicked);
    });
    dom.setText(this.count, `${ticked} of ${keys.length} ticked. Click or 1 – 9 unticks a wrong one; the unticked wait in the desk.`);
    dom.setText(this.accept.firstChild, `Accept ${ticked}`);
  }

  listen(cell, place, key) {
    cell.addEventListener("click", (event) => {
      if (event.target.closest(".open")) this.act("open_cell", event, key);
      else this.act("cell", event, place + 1);
    });
    cell.addEventListener("pointerdown", (event) => event.preventDefault()); // the keys stay with the gallery
    cell.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      this.act("cell", event, place + 1);
    });
  }
}

function cellMarkup(item, i) {
  const spans = items.drawn(item);
  const what = spans.map((s) => `${s.start} – ${s.end} ${s.type ?? ""}`).join("; ") || "nothing drawn";
  return `<div class="cell" role="checkbox" tabindex="0" data-testid="cell-${i + 1}" aria-label="${dom.escaped(`${item.name}: ${what}`)}">
    <div class="cell-head"><b>${i + 1}</b><span>${dom.escaped(item.name)}</span><button type="button" class="open" tabindex="0" data-testid="cell-open-${i + 1}">open</button></div>
    ${dom.miniChart(item, spans, MINI)}<div class="cell-foot"><span class="tick" aria-hidden="true"></span>${dom.escaped(what)}</div></div>`;
}

// All keys, and giving an action another one: click it, press the new key.
export class Help {
  constructor(on) {
    this.on = on;
    this.list = h("div", { class: "key-list" });
    this.message = h("p", { class: "hint", role: "status" });
    this.node = h("section", { class: "sheet help", role: "dialog", "aria-label": "Keys", "data-testid": "desk-help" },
      h("header", {}, h("h3", {}, "Keys"), dom.button("Usual keys again", "", "keys-reset", () => on.reset(), { class: "tool" }), dom.button("Close", "Esc", "help-close", () => on.close(), { class: "tool" })),
      this.message, this.list);
    this.waiting = null;
  }

  draw(own) {
    const keys = keymap.keysOf(own);
    const groups = [...new Set(keymap.ACTIONS.map((known) => known.group))];
    this.list.replaceChildren(...groups.map((group) => h("section", {}, h("h4", {}, group),
      ...keymap.ACTIONS.filter((known) => known.group === group).map((known) => this.row(known, keys[known.name], own)))));
    if (!this.waiting) this.message.textContent = "Click a key to change it. Mouse: drag an edge, a span, or an empty stretch; the wheel zooms, with Shift it pans.";
  }

  row({ name, text }, keys, own) {
    const change = h("button", { type: "button", class: `keys${own?.[name] ? " own" : ""}`, "data-testid": `key-${name}`, "aria-label": `Change the key of ${text}`, onclick: () => this.wait(name, text) },
      ...keys.map((key) => h("kbd", {}, keymap.label(key))));
    return h("div", { class: "key-row" }, change, h("span", {}, text));
  }

  wait(name, text) {
    this.waiting = name;
    this.message.textContent = `Press the new key for "${text}", or Esc.`;
  }

  // True if the press was meant for this sheet.
  takes(event, own) {
    if (!this.waiting || /^(Shift|Control|Alt|Meta)$/.test(event.key)) return !!this.waiting;
    const name = this.waiting;
    this.waiting = null;
    if (event.key === "Escape") {
      this.draw(own);
      return true;
    }
    const { own: next, refused } = keymap.rebind(own, name, keymap.keyName(event) ?? event.key);
    if (refused) this.message.textContent = refused;
    else this.on.change(next);
    return true;
  }
}

// One line to type: the name of a window, or a reason in words.
export class Ask {
  constructor({ label, hint, testId, take, close }) {
    this.input = h("input", { type: "text", placeholder: label, "aria-label": label, "data-testid": testId });
    this.input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const text = this.input.value.trim();
      if (event.key === "Enter" && text) take(text);
      if (event.key === "Escape") close();
    });
    this.node = h("div", { class: "sheet ask", role: "dialog", "aria-label": label }, this.input, h("span", {}, hint));
  }

  draw() {
    this.input.value = "";
    this.input.focus();
  }
}

// Mine and theirs side by side. The desk stays usable: this waits until one is chosen.
export class Conflict {
  constructor(on) {
    this.text = h("p", {});
    this.mine = h("figure", { "data-testid": "conflict-mine" });
    this.theirs = h("figure", { "data-testid": "conflict-theirs" });
    this.keep = dom.button("Keep mine", "", "keep-mine", () => on.choose(this.key, "mine"), { class: "tool accept" });
    this.take = dom.button("Take theirs", "", "take-theirs", () => on.choose(this.key, "theirs"), { class: "tool" });
    this.node = h("section", { class: "conflict", role: "alertdialog", "aria-label": "Two versions of one window", "data-testid": "conflict" },
      this.text, h("div", { class: "versions" }, this.mine, this.theirs), h("div", { class: "choices" }, this.keep, this.take));
  }

  draw(conflict, base) {
    this.key = conflict.key;
    this.text.textContent = `${conflict.name} was changed elsewhere while you worked on it. Both versions are kept until you choose.`;
    const mine = { ...base, ...conflict.mine };
    for (const [node, title, item] of [[this.mine, "Mine", mine], [this.theirs, "Theirs", base]]) {
      node.innerHTML = `${dom.miniChart(item, item.spans.map((span) => ({ ...span })), MINI)}<figcaption><b>${title}</b> ${dom.escaped(items.describe(item))}</figcaption>`;
    }
  }
}
