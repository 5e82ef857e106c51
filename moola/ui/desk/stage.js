// The desk's picture: toolbar, chart, panel and overlays, drawn from the state.
import * as edits from "./edits.js";
import * as items from "./item.js";
import * as keymap from "./keymap.js";
import * as desk from "./state.js";
import * as views from "./view.js";
import * as chart from "./chart.js";
import * as gestures from "./gestures.js";
import * as toolbar from "./toolbar.js";
import * as panel from "./panel.js";
import * as overlays from "./overlays.js";
import * as dom from "./dom.js";

const { h } = dom;
const HINT = "Drag an edge, or over free bars for a new span. Space accepts, X rejects, ? shows all keys.";
const ZOOM = 0.72;

export class Stage {
  constructor(host, data, on) {
    Object.assign(this, { host, data, on });
    this.view = views.WHOLE;
    this.contexts = new Map();
    this.toolbar = new toolbar.Toolbar(on.act);
    this.panel = new panel.Panel(on.act);
    this.gallery = new overlays.Gallery(on.act);
    this.help = new overlays.Help({
      close: () => on.act("help"), reset: () => on.setKeys({}), change: (own) => on.setKeys(own),
    });
    this.goto = new overlays.Ask({
      label: "Name or id of a window", hint: "Enter goes there, Esc closes", testId: "desk-goto",
      close: () => on.act("go_to"), take: (name) => on.goTo(name),
    });
    this.why = new overlays.Ask({
      label: "Why is it rejected?", hint: "Enter keeps it as the window's note, Esc closes", testId: "desk-why",
      close: () => on.dispatch({ type: "overlay", name: "why" }), take: (note) => on.dispatch({ type: "reason", reason: "other", note }),
    });
    this.conflict = new overlays.Conflict({ choose: (key, choice) => on.dispatch({ type: "resolve", key, choice }) });
    this.build();
    this.update(data);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.plot);
    this.reasonTimer = null;
  }

  build() {
    this.readout = h("div", { class: "readout" });
    this.plot = h("div", { class: "plot" });
    this.notice = h("div", { class: "notice", role: "status", "data-testid": "desk-notice" });
    this.end = h("div", { class: "end", "data-testid": "desk-end" }, h("p", {}), dom.button("Look again", "", "look-again", () => this.on.act("look_again"), { class: "tool" }));
    this.main = h("div", { class: "main" }, this.readout, this.plot, this.end);
    this.body = h("div", { class: "deck" }, this.main, this.panel.node);
    const { top, tools, reasons } = this.toolbar;
    this.host.replaceChildren(top, tools, reasons, h("div", { class: "said" }, this.toolbar.last, this.notice), this.conflict.node, this.body, this.gallery.node, this.help.node, this.goto.node, this.why.node);
    this.chart = new chart.Chart(this.plot);
    this.chart.coarse = matchMedia("(pointer: coarse)").matches;
    this.gestures = new gestures.Gestures(this.chart, {
      pick: (id, edge) => this.on.dispatch({ type: "pick", id, edge }),
      place: (span, id, mode, event) => this.on.dispatch({ type: "place", span, id, mode }, event),
      reach: (span, id, anchor) => edits.reachable(this.on.state(), span, id, anchor),
      hover: (bar, y) => this.hover(bar, y),
      view: (view) => this.setView(view),
    });
  }

  update(data) {
    this.data = data;
    for (const [name, color] of Object.entries(data.colors ?? {})) this.host.style.setProperty(`--${name}`, color);
  }

  resize() {
    const width = this.plot.clientWidth;
    if (!width || Math.abs(width - (this.chart.width ?? 0)) < 2) return;
    this.chart.width = width;
    this.picture = null;
    if (this.state) this.draw(this.state);
  }

  // ---- drawing ----------------------------------------------------------------------------------

  draw(state) {
    this.state = state;
    const key = desk.currentKey(state);
    const item = desk.shown(state);
    const inGallery = state.overlay === "gallery";
    if (key !== this.key) this.entered(key);
    this.toolbar.draw(state, item, Date.now());
    this.drawNotice(state);
    this.drawOverlays(state, item, inGallery);
    if (item && !inGallery) this.drawWindow(state, item);
    clearTimeout(this.reasonTimer);
    const left = state.reasonUntil - Date.now();
    if (left > 0) this.reasonTimer = setTimeout(() => this.toolbar.drawLast(this.state, Date.now()), left + 5);
  }

  // A new window is seen whole again, and no gesture goes over into it.
  entered(key) {
    this.key = key;
    this.view = views.WHOLE;
    this.picture = null;
    this.gestures.drag = null;
    const focused = this.host.getRootNode().activeElement;
    if (focused?.closest?.(".handle, .pick, .seg")) focused.blur(); // its arrows were for the old one
  }

  drawWindow(state, item) {
    const spans = items.drawn(item);
    const active = desk.activeSpan(state, item);
    const scene = {
      item, spans, active, edge: state.edge, hidden: state.hidden, model: state.model, view: this.view,
      context: this.contexts.get(item.uid) ?? null, inner: this.data.settings?.inner ?? [0, items.N_BARS - 1], refs: this.refs(item, spans, state),
    };
    const picture = [this.key, this.view.from, this.view.to, state.hidden, !!scene.context, item.bars].map((part) => part);
    const isSame = this.picture && picture.every((part, i) => part === this.picture[i]);
    if (this.gestures.drag?.span) return; // drawn again when the drag ends
    if (isSame) {
      this.chart.scene = scene;
      this.chart.drawSpans();
    } else this.chart.draw(scene);
    this.picture = picture;
    const seen = items.seen(spans, state.hidden); // the panel gives no more away than the chart
    this.panel.draw(item, seen, seen.find((span) => span.id === active?.id) ?? null, state.edge);
    const bar = state.bar !== null && state.hidden !== null ? Math.min(state.bar, state.hidden) : state.bar;
    this.chart.point(bar, this.pointerY ?? null);
    this.say(bar);
  }

  // Dashed: proposals that are not drawn as drafts, and the model's span.
  refs(item, spans, state) {
    const isDrawn = (ref) => spans.some((span) => span.start === ref.start && span.end === ref.end);
    const proposals = item.proposals.filter((proposal) => !isDrawn(proposal)).map(({ start, end }) => ({ start, end, kind: "proposal", name: "Proposal" }));
    const { model } = item;
    if (!state.model || !model || model.start === null || model.start < 0) return proposals;
    return [...proposals, { start: model.start, end: model.end, kind: "model", name: `Model, confidence ${Math.round(100 * model.confidence)} %` }];
  }

  drawNotice(state) {
    const { notice } = state;
    const doubt = state.overlay === "gallery" ? null : desk.doubtOf(state);
    dom.setText(this.notice, notice?.text ?? (doubt ? `In doubt: ${doubt}` : ""));
    this.notice.title = this.notice.textContent;
    this.notice.className = `notice ${notice?.tone ?? "none"}`;
  }

  drawOverlays(state, item, inGallery) {
    dom.show(this.body, !inGallery);
    dom.show(this.gallery.node, inGallery);
    if (inGallery) this.gallery.draw(state);
    const isEnd = !item;
    this.main.classList.toggle("at-end", isEnd);
    dom.show(this.plot, !isEnd);
    dom.show(this.readout, !isEnd);
    dom.show(this.end, isEnd && state.loaded);
    this.panel.node.classList.toggle("idle", isEnd);
    if (isEnd) dom.setText(this.end.firstChild, this.endText(state));
    this.sheet(state, "help", this.help);
    this.sheet(state, "goto", this.goto);
    this.sheet(state, "why", this.why);
    const [conflict] = state.conflicts;
    const base = conflict && state.items[conflict.key];
    dom.show(this.conflict.node, !!base);
    if (base && this.drawnConflict !== conflict) this.conflict.draw(conflict, base);
    this.drawnConflict = base ? conflict : null;
  }

  sheet(state, name, { node }) {
    const isOpen = state.overlay === name;
    const opens = isOpen && this.opened !== name;
    dom.show(node, isOpen);
    if (isOpen) this.opened = name;
    else if (this.opened === name) this.opened = null;
    if (opens) this[name].draw(this.on.own());
  }

  endText(state) {
    if (state.taken) return `Other people hold the ${state.taken} windows that are left. They come back when they are let go.`;
    if (!state.order.length) return "No window is in this queue. Choose another one, or find proposals first.";
    return "That was the last window of this queue. K goes back, and new ones are looked for by themselves.";
  }

  drawSync(text, tone) {
    this.toolbar.drawSync(text, tone);
  }

  setKeys(own) {
    this.toolbar.setKeys(own);
    if (this.state?.overlay === "help") this.help.draw(own);
  }

  setRule(rule) {
    this.panel.setRule(rule);
  }

  // ---- pointer, zoom ----------------------------------------------------------------------------

  hover(bar, y) {
    this.pointerY = y;
    const inside = bar !== null && bar >= 0 && bar < items.N_BARS;
    // A cursor that moves with the mouse draws nothing but itself.
    if (inside && bar !== this.state.bar) this.state = this.on.pointAt(bar);
    this.chart.point(bar ?? this.state.bar, y);
    this.say(bar);
  }

  say(bar) {
    const text = bar === null ? null : this.chart.readout(bar);
    dom.setText(this.readout, text ?? HINT);
    this.readout.classList.toggle("hint", text === null);
  }

  setView(view) {
    this.view = view;
    this.draw(this.state);
    if (views.needsContext(view)) this.fetchContext(this.state.items[this.key]);
  }

  async fetchContext(item) {
    if (!item || this.contexts.has(item.uid)) return;
    this.contexts.set(item.uid, null);
    try {
      this.contexts.set(item.uid, await this.on.server.read(`/context/${item.uid}`, { before: 200, after: 200 }));
      if (this.state.items[this.key] && !this.stopped) this.draw(this.state);
    } catch {
      this.contexts.delete(item.uid); // asked again with the next turn of the wheel
    }
  }

  // ---- keys that only change the picture --------------------------------------------------------

  act(name) {
    const middle = this.chart.active ? (this.chart.active.start + this.chart.active.end + 1) / 2 : (this.view.from + this.view.to) / 2;
    if (name === "zoom_in") this.setView(views.zoomed(this.view, ZOOM, middle));
    else if (name === "zoom_out") this.setView(views.zoomed(this.view, 1 / ZOOM, (this.view.from + this.view.to) / 2));
    else if (name === "zoom_reset") this.setView(views.WHOLE);
    else if (name === "note") this.panel.note.focus();
    else return false;
    return true;
  }

  saveNote() {
    const { note } = this.panel;
    if (note.getRootNode().activeElement === note) note.blur();
  }

  // Keys that belong to an open sheet, a handle or a running drag.
  takesKey(event, node) {
    if (this.state?.overlay === "help" && this.help.takes(event, this.on.own())) {
      event.preventDefault();
      event.stopPropagation();
      return true;
    }
    if (event.key !== "Escape" || keymap.isTyping(node)) return false;
    if (this.gestures.drag) this.gestures.cancel();
    else if (this.state?.overlay === "gallery") this.on.act("gallery", event);
    else if (this.state?.overlay) this.on.dispatch({ type: "overlay", name: this.state.overlay });
    else this.host.getRootNode().activeElement?.blur();
    return true;
  }

  stop() {
    this.stopped = true;
    this.observer.disconnect();
    clearTimeout(this.reasonTimer);
  }
}
