// Window chart: candles, an editable span, target or prediction panes. Python owns the truth:
// the chart draws `data` and sends events; what the reader drags is shown at once and corrected by
// the answer. The pure part is in span_geometry.js.
//
// data = {id, rev, ack, label, bars: {o,h,l,c}, times: [s]|null, tick, colors: {binary, countdown, edge},
//         spans: [{key, start, end, type, draft}], active: key|null, refs: [{start, end, name}],
//         lanes: [{name, color, note, dash, spans: [{start, end, name}]}] one a person or a run, above
//         the prices, cut: [{start, end}],
//         panes: [{name, kind, values, target, y0, y1, line, others: [{values, color, dash}]}],
//         editable, adding}
// events: edit {id, rev, op, key|null, start, end}, pick {id, key}
import * as geometry from "./span_geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const DRAG_PX = 5, TOUCH_DRAG_PX = 10, KEY_PAUSE_MS = 250, ANSWER_MS = 4000;
const HINT = "Drag an edge, or an empty stretch for a new span. With the chart focused: ← → move the start, Shift ← → the end.";
const SHORT_HINT = "Drag an edge, or draw on an empty stretch.";
const DECISION_KEYS = new Set(["a", "x", "f", "u", "n", "d", "1", "2", "3"]);

function add(parent, tag, attributes = {}, text = null) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== null) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

// A key held down repeats; a decision must not: it would decide every window that follows.
function stopRepeatedDecisions(event) {
  const field = event.composedPath()[0];
  const typing = field?.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(field?.tagName ?? "");
  if (event.repeat && !typing && DECISION_KEYS.has(event.key.toLowerCase())) {
    event.stopImmediatePropagation();
    event.preventDefault();
  }
}

class SpanChart {
  constructor(host) {
    this.host = host;
    this.readout = host.appendChild(document.createElement("div"));
    this.readout.className = "readout";
    this.svg = add(host, "svg", { role: "group", tabindex: 0, "data-testid": "span-chart" });
    this.data = null;
    this.drag = null;
    this.waiting = null; // the edit that Python has not answered yet
    this.queued = null; // the newest edit made meanwhile
    this.listen();
    this.width = host.clientWidth;
    this.observer = new ResizeObserver(() => {
      if (Math.abs(this.width - host.clientWidth) < 2) return;
      this.width = host.clientWidth;
      if (this.data && !this.drag) this.draw();
    });
    this.observer.observe(host);
  }

  unmount() {
    this.observer.disconnect();
    clearTimeout(this.keyTimer);
    window.removeEventListener("keydown", stopRepeatedDecisions, true);
  }

  // New data. An edit that is still on its way stays drawn until its answer is here.
  show(data, trigger) {
    this.trigger = trigger;
    const sameWindow = this.data?.id === data.id;
    if (!sameWindow) {
      this.waiting = this.queued = this.drag = null;
      // The arrows nudged the old window's span; in the new one they are the page's again.
      this.host.getRootNode().activeElement?.blur();
    }
    if (this.waiting && (data.ack === this.waiting.op || Date.now() > this.waiting.until)) this.waiting = null;
    this.data = data;
    if (this.drag) return;
    if (!this.waiting && !this.queued) this.span = this.activeSpan();
    // Only another window or pane needs new elements: handles keep their focus over an edit.
    const { id, bars, times, panes, lanes, tick, editable } = data;
    const picture = JSON.stringify([id, bars, times, panes, lanes.length, tick, editable]);
    if (picture === this.picture) this.paint();
    else this.draw();
    this.picture = picture;
    if (!this.waiting && this.queued) {
      const next = this.queued;
      this.queued = null;
      setTimeout(() => this.send(next), 0); // an event sent while mounting may get lost
    }
  }

  activeSpan() {
    const { spans, active } = this.data;
    const found = spans.find((s) => s.key === active);
    return found ? { start: found.start, end: found.end } : null;
  }

  // ---- drawing -------------------------------------------------------------------------------

  draw() {
    const { data, svg } = this;
    const focused = this.host.getRootNode().activeElement?.dataset?.edge;
    this.nBars = data.bars.c.length;
    this.box = geometry.layout({
      width: this.host.clientWidth || 800, nBars: this.nBars, nPanes: data.panes.length, hasTimes: !!data.times,
      nLanes: data.lanes.length,
    });
    const { box } = this;
    this.decimals = geometry.decimalsOf(data.tick);
    set(svg, { width: box.plotWidth + box.axisWidth, height: box.height });
    svg.replaceChildren();
    this.host.style.setProperty("--binary", data.colors.binary);
    this.host.style.setProperty("--countdown", data.colors.countdown);
    this.host.style.setProperty("--edge", data.colors.edge);
    this.drawAxes();
    this.under = add(svg, "g");
    this.drawCandles();
    this.drawPanes();
    this.over = add(svg, "g");
    this.handles = data.editable ? ["start", "end"].map((edge) => this.makeHandle(edge)) : [];
    this.cross = add(svg, "line", { class: "cross", y1: box.priceTop, y2: box.plotBottom, visibility: "hidden" });
    this.paint();
    this.say(null);
    if (focused) this.handles.find((h) => h.dataset.edge === focused)?.focus();
    this.host.dataset.window = data.id;
  }

  drawAxes() {
    const { data, box, svg } = this;
    const { low, high } = geometry.priceRange(data.bars.l, data.bars.h);
    this.y = (price) => box.priceTop + ((high - price) / (high - low)) * box.priceHeight;
    const { step, ticks } = geometry.priceTicks(low, high, data.tick, box.narrow ? 4 : 6);
    const decimals = Math.max(data.tick ? 0 : 2, geometry.decimalsOf(step));
    const grid = add(svg, "g", { class: "axis" });
    for (const price of ticks) {
      const y = this.y(price);
      if (y < box.priceTop + 6) continue;
      add(grid, "line", { x1: 0, x2: box.plotWidth, y1: y, y2: y });
      add(grid, "text", { x: box.plotWidth + 6, y: y + 4 }, geometry.formatPrice(price, decimals));
    }
    const bars = geometry.barTicks(this.nBars, box.plotWidth);
    const anchor = (bar) => (bar === 0 ? "start" : "middle");
    const x = (bar) => (bar === 0 ? 0 : geometry.barCenter(bar, box.barWidth));
    for (const bar of bars) {
      add(grid, "text", { x: x(bar), y: box.plotBottom + 14, "text-anchor": anchor(bar) }, bar);
    }
    add(grid, "text", { x: box.plotWidth + 6, y: box.plotBottom + 14 }, "bar");
    if (!data.times) return;
    for (const { bar, text } of geometry.timeTicks(data.times, bars)) {
      add(grid, "text", { x: x(bar), y: box.plotBottom + 29, "text-anchor": anchor(bar) }, text);
    }
    add(grid, "text", { x: box.plotWidth + 6, y: box.plotBottom + 29 }, "UTC");
    for (const bar of geometry.seams(data.times)) {
      const seam = bar * box.barWidth;
      add(add(grid, "line", { class: "seam", x1: seam, x2: seam, y1: box.priceTop, y2: box.plotBottom }), "title", {}, "Gap in time");
    }
  }

  drawCandles() {
    const { bars } = this.data;
    const half = Math.max(0.6, this.box.barWidth * 0.34);
    const paths = { up: "", down: "" };
    const wicks = { up: "", down: "" };
    for (let i = 0; i < this.nBars; i += 1) {
      const kind = bars.c[i] >= bars.o[i] ? "up" : "down";
      const x = geometry.barCenter(i, this.box.barWidth);
      const top = this.y(Math.max(bars.o[i], bars.c[i]));
      const body = Math.max(1, this.y(Math.min(bars.o[i], bars.c[i])) - top);
      wicks[kind] += `M${x.toFixed(1)} ${this.y(bars.h[i]).toFixed(1)}V${this.y(bars.l[i]).toFixed(1)}`;
      paths[kind] += `M${(x - half).toFixed(1)} ${top.toFixed(1)}h${(2 * half).toFixed(1)}v${body.toFixed(1)}h${(-2 * half).toFixed(1)}z`;
    }
    for (const kind of ["up", "down"]) {
      add(this.svg, "path", { class: `wick ${kind}`, d: wicks[kind] });
      add(this.svg, "path", { class: `body ${kind}`, d: paths[kind] });
    }
  }

  drawPanes() {
    const { data, box, svg } = this;
    this.curves = data.panes.map((pane, i) => {
      const at = box.panes[i];
      const y = (v) => at.plotTop + ((pane.y1 - geometry.clamp(v, pane.y0, pane.y1)) / (pane.y1 - pane.y0)) * at.plotHeight;
      const group = add(svg, "g", { class: `pane ${pane.kind}`, "data-testid": `pane-${pane.kind}` });
      add(group, "line", { class: "border", x1: 0, x2: box.plotWidth, y1: at.top, y2: at.top });
      if (pane.line != null) add(group, "line", { class: "level", x1: 0, x2: box.plotWidth, y1: y(pane.line), y2: y(pane.line) });
      add(group, "text", { class: "name", x: 0, y: at.titleY }, pane.name);
      const value = add(group, "text", { class: "value", x: box.plotWidth, y: at.titleY, "text-anchor": "end" });
      for (const v of [pane.y1, pane.y0]) add(group, "text", { class: "scale", x: box.plotWidth + 6, y: y(v) + 4 }, v);
      const area = add(group, "path", { class: "area" });
      const target = add(group, "path", { class: "target" });
      for (const other of pane.others) {
        const d = geometry.curvePath(other.values, box.barWidth, y);
        add(group, "path", { class: "another", d, style: `stroke: ${other.color}; stroke-dasharray: ${other.dash}` });
      }
      const curve = add(group, "path", { class: "curve" });
      return { pane, y, value, area, target, curve };
    });
  }

  // Everything that a drag changes.
  paint() {
    const { data, box, span } = this;
    this.under.replaceChildren();
    this.over.replaceChildren();
    for (const cut of data.cut) this.drawBand("cut", cut, "continues outside this window");
    for (const ref of data.refs) this.drawBand("ref", ref, ref.name);
    data.lanes.forEach((lane, i) => this.drawLane(lane, box.lanes[i]));
    for (const other of data.spans) {
      if (other.key !== data.active) this.drawBand("other", other, geometry.spanText(other), other.key);
    }
    if (span) this.drawActive(span);
    this.handles.forEach((handle) => this.placeHandle(handle, span));
    for (const { pane, y, area, target, curve } of this.curves) this.drawCurve({ pane, y, area, target, curve });
    set(this.svg, { "aria-label": `${data.label}. ${span ? `Span ${geometry.spanText(span)}` : "No span"}.` });
    this.host.dataset.span = span ? `${span.start}-${span.end}` : "";
  }

  drawBand(kind, span, title, key = null) {
    const { box } = this;
    const band = add(this.under, "rect", {
      class: `band ${kind}`, x: span.start * box.barWidth, y: box.priceTop,
      width: (span.end - span.start + 1) * box.barWidth, height: box.plotBottom - box.priceTop,
    });
    if (key !== null) set(band, { "data-key": key });
    add(band, "title", {}, title);
  }

  // One person's spans as bars in a lane of their own, with their edges dashed through the prices.
  drawLane(lane, y) {
    const { box } = this;
    const group = add(this.under, "g", { class: "lane", "data-testid": `lane-${lane.name}`, style: `color: ${lane.color}` });
    add(group, "line", { class: "rail", x1: 0, x2: box.plotWidth, y1: y, y2: y });
    add(group, "text", { class: "owner", x: box.plotWidth + 6, y: y + 4 }, lane.name);
    if (!lane.spans.length) add(group, "text", { class: "words", x: 0, y: y + 4 }, lane.note);
    for (const span of lane.spans) {
      const left = span.start * box.barWidth, right = (span.end + 1) * box.barWidth;
      const bottom = box.priceTop + box.priceHeight;
      add(group, "rect", { class: "wash", x: left, y, width: right - left, height: bottom - y });
      for (const x of [left, right]) {
        add(group, "line", { class: "edge", x1: x, x2: x, y1: y, y2: bottom, style: `stroke-dasharray: ${lane.dash}` });
      }
      const bar = add(group, "rect", { class: "span", x: left, y: y - 5, width: right - left, height: 10, rx: 3 });
      add(bar, "title", {}, `${lane.name}: ${geometry.spanText(span)}, ${span.name}`);
      const room = geometry.roomAfter(lane.spans, span, box.barWidth, box.plotWidth) - 10;
      const words = add(group, "text", { class: "words", x: right + 5, y: y + 4 });
      for (const text of [`${span.start} – ${span.end} ${span.name}`, span.name, ""]) {
        words.textContent = text;
        if (words.getComputedTextLength() <= room) break;
      }
    }
  }

  drawActive(span) {
    const { box, data } = this;
    const stored = data.spans.find((s) => s.key === data.active);
    const draft = stored?.draft && geometry.sameSpan(stored, span);
    this.drawBand(draft ? "active draft" : "active", span, geometry.spanText(span));
    const text = [geometry.spanText(span), draft ? "proposed" : stored?.type].filter(Boolean).join(" · ");
    const group = add(this.over, "g", { class: draft ? "badge draft" : "badge" });
    const plate = add(group, "rect", { y: 1, height: 18, rx: 9 });
    const label = add(group, "text", { y: 14, "text-anchor": "middle", "data-testid": "span-badge" }, text);
    const width = label.getComputedTextLength() + 18;
    const x = geometry.badgeX(span.start * box.barWidth, (span.end + 1) * box.barWidth, width, box.plotWidth);
    set(plate, { x: x - width / 2, width });
    set(label, { x });
  }

  drawCurve({ pane, y, area, target, curve }) {
    const { box, data, nBars } = this;
    const live = data.spans.filter((s) => s.key !== data.active).concat(this.span ?? []);
    const isMask = pane.kind !== "countdown";
    const path = (values, stepped) => (stepped ? geometry.stepPath : geometry.curvePath)(values, box.barWidth, y);
    if (pane.values) {
      set(curve, { d: path(pane.values, false) });
      set(target, { d: pane.target ? path(pane.target, isMask) : "" });
      return;
    }
    const values = isMask ? geometry.binaryTarget(live, nBars) : this.span && geometry.countdownTarget(this.span, nBars);
    set(curve, { d: values ? path(values, isMask) : "" });
    const base = y(isMask ? 0 : pane.y0).toFixed(1);
    set(area, { d: values && isMask ? `${path(values, true)}V${base}H0z` : "" });
    this.liveValues = { ...this.liveValues, [pane.kind]: values };
  }

  makeHandle(edge) {
    const { box } = this;
    const handle = add(this.svg, "g", {
      class: "handle", tabindex: 0, role: "slider", "data-testid": `handle-${edge}`, "data-edge": edge,
      "aria-label": edge === "start" ? "First bar of the expansion" : "Last bar of the expansion",
      "aria-valuemin": 0, "aria-valuemax": this.nBars - 1,
    });
    add(handle, "line", { y1: box.priceTop, y2: box.plotBottom });
    // At the foot of the prices, where it hides no candle; the line can be grabbed everywhere.
    add(handle, "rect", { class: "grip", x: -4, y: box.priceTop + box.priceHeight - 26, width: 8, height: 32, rx: 4 });
    add(handle, "rect", { class: "reach", y: box.priceTop, height: box.plotBottom - box.priceTop });
    return handle;
  }

  placeHandle(handle, span) {
    set(handle, { visibility: span ? "visible" : "hidden" });
    if (!span) return;
    const { edge } = handle.dataset;
    const x = (edge === "start" ? span.start : span.end + 1) * this.box.barWidth;
    const reach = matchMedia("(pointer: coarse)").matches ? 22 : 9;
    set(handle, { transform: `translate(${x},0)`, "aria-valuenow": span[edge], "aria-valuetext": this.barText(span[edge]) });
    set(handle.lastChild, geometry.handleBox(edge, (span.end - span.start + 1) * this.box.barWidth, reach));
  }

  barText(bar) {
    const { times } = this.data;
    return times ? `bar ${bar}, ${geometry.dayText(times[bar])} ${geometry.clockText(times[bar])}` : `bar ${bar}`;
  }

  // The line above the chart: the bar under the pointer, or what one can do.
  say(bar) {
    const { data } = this;
    const shown = bar !== null;
    set(this.cross, { visibility: shown ? "visible" : "hidden" });
    for (const { pane, value } of this.curves) {
      const v = shown ? (pane.values ?? this.liveValues?.[pane.kind])?.[bar] : null;
      value.textContent = v == null ? "" : pane.kind === "countdown" ? `${v > 0 ? "+" : ""}${v.toFixed(pane.values ? 1 : 0)} bars` : v.toFixed(pane.values ? 2 : 0);
    }
    this.readout.classList.toggle("hint", !shown);
    if (!shown) {
      this.readout.textContent = data.hint ?? this.ownHint();
      return;
    }
    const x = geometry.barCenter(bar, this.box.barWidth);
    set(this.cross, { x1: x, x2: x });
    const price = (key) => geometry.formatPrice(data.bars[key][bar], this.decimals);
    const prices = this.box.narrow ? `C ${price("c")}` : `O ${price("o")}   H ${price("h")}   L ${price("l")}   C ${price("c")}`;
    this.readout.textContent = `${this.barText(bar)}   ${prices}`;
  }

  ownHint() {
    const names = [...new Set(this.data.refs.map((ref) => ref.name))];
    const dashed = names.length ? `Dashed: ${names.join(", ")}. ` : "";
    return dashed + (this.data.editable ? (this.box.narrow ? SHORT_HINT : HINT) : "");
  }

  // ---- editing -------------------------------------------------------------------------------

  listen() {
    const { svg } = this;
    svg.addEventListener("pointerdown", (event) => this.press(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerup", () => this.release());
    svg.addEventListener("pointercancel", () => this.cancel());
    svg.addEventListener("pointerleave", () => !this.drag && this.say(null));
    svg.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("keydown", stopRepeatedDecisions, true);
  }

  xOf(event) {
    return event.clientX - this.svg.getBoundingClientRect().left;
  }

  press(event) {
    if (event.button) return;
    const x = this.xOf(event);
    const bar = geometry.barAt(x, this.box.barWidth, this.nBars);
    this.say(bar);
    const other = this.data.spans.find((s) => s.key !== this.data.active && bar >= s.start && bar <= s.end);
    const edge = event.target.closest?.(".handle")?.dataset.edge;
    if (!edge && other && !this.data.adding) {
      this.trigger("pick", { id: this.data.id, key: other.key });
      return;
    }
    if (!this.data.editable) return;
    const inside = this.span && bar >= this.span.start && bar <= this.span.end && !this.data.adding;
    const mode = edge ?? (inside ? "move" : "new");
    const grabbed = edge ? x - (edge === "start" ? this.span.start : this.span.end + 1) * this.box.barWidth : 0;
    this.drag = { mode, x, grabbed, pressBar: bar, from: this.span && { ...this.span }, moved: false, touch: event.pointerType === "touch" };
    this.svg.setPointerCapture(event.pointerId);
    if (edge) event.preventDefault();
    (event.target.closest?.(".handle") ?? this.svg).focus({ preventScroll: true });
  }

  move(event) {
    const x = this.xOf(event);
    const { drag, nBars } = this;
    const { barWidth } = this.box;
    const bar = geometry.barAt(x, barWidth, nBars);
    if (drag) {
      const isEdge = drag.mode === "start" || drag.mode === "end";
      const least = isEdge ? 1 : drag.touch ? TOUCH_DRAG_PX : DRAG_PX;
      drag.moved ||= Math.abs(x - drag.x) >= least;
      if (drag.moved) {
        const to = isEdge ? geometry.edgeBarAt(drag.mode, x - drag.grabbed, barWidth, nBars) : bar;
        this.span = geometry.dragged({ mode: drag.mode, from: drag.from, pressBar: drag.pressBar, bar: to, nBars });
        this.paint();
      }
    }
    this.say(bar);
  }

  release() {
    const { drag } = this;
    if (!drag) return;
    this.drag = null;
    if (drag.moved && !geometry.sameSpan(this.span, drag.from)) this.commit();
    else if (!this.waiting) this.show(this.data, this.trigger); // what arrived during the press
  }

  cancel() {
    if (!this.drag) return;
    this.span = this.drag.from;
    this.drag = null;
    this.paint();
  }

  key(event) {
    if (event.key === "Escape") {
      this.cancel();
      return;
    }
    if (!this.data.editable || !this.span || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation(); // the page's own arrows would go to another window
    const direction = event.key === "ArrowLeft" ? -1 : 1;
    const edge = event.target.closest?.(".handle")?.dataset.edge;
    const step = edge && event.shiftKey ? 5 * direction : direction;
    this.span = geometry.nudged(this.span, edge ?? (event.shiftKey ? "end" : "start"), step, this.nBars);
    this.paint();
    clearTimeout(this.keyTimer);
    const { id } = this.data;
    this.keyTimer = setTimeout(() => this.data.id === id && this.commit(), KEY_PAUSE_MS);
  }

  commit() {
    const key = this.data.adding ? null : this.data.active;
    const edit = { key, ...this.span };
    if (this.waiting && Date.now() < this.waiting.until) this.queued = edit;
    else this.send(edit);
  }

  send(edit) {
    const { id, rev } = this.data;
    const op = `edit-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
    this.waiting = { op, until: Date.now() + ANSWER_MS };
    this.trigger("edit", { id, rev, op, ...edit });
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".span-chart");
  host.chart ??= new SpanChart(host);
  host.chart.show(data, setTriggerValue);
  return () => {
    host.chart?.unmount();
    host.chart = null;
    host.replaceChildren();
  };
}
