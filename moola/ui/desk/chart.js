// The desk's chart: candles, spans, probability strip and targets of one window. It draws a scene
// and reports gestures; what a gesture means is decided elsewhere. Elements are made once and
// only get new attributes, so that the next window is there within a frame.
//
// scene = {item, spans, active, edge, bar, hidden, model, view, context, inner, refs, colors}
import * as geometry from "../span_geometry.js";
import * as items from "./item.js";
import * as views from "./view.js";

const SVG = "http://www.w3.org/2000/svg";
export const N_BARS = 105;

export function add(parent, tag, attributes = {}, text = null) {
  const node = document.createElementNS(SVG, tag);
  set(node, attributes);
  if (text !== null) node.textContent = text;
  parent.appendChild(node);
  return node;
}

export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

const PANES = [
  { kind: "binary", name: "Inside, target", y0: 0, y1: 1, line: 0.5 },
  { kind: "countdown", name: "Countdown to the start, bars", y0: -20, y1: 20, line: 0 },
];

export class Chart {
  constructor(host) {
    this.host = host;
    this.svg = add(host, "svg", { class: "chart", role: "group", "data-testid": "span-chart" });
    const { svg } = this;
    this.clip = add(add(add(svg, "defs"), "clipPath", { id: "desk-plot" }), "rect", { x: 0, y: 0 });
    this.grid = add(svg, "g", { class: "axis" });
    const plot = add(svg, "g", { "clip-path": "url(#desk-plot)" });
    this.moving = add(plot, "g"); // everything that is drawn at a bar
    this.inner = add(this.moving, "g", { class: "inner" });
    this.under = add(this.moving, "g");
    this.seams = add(this.moving, "g", { class: "seams" });
    this.candles = {};
    for (const place of ["around", "own"]) {
      const group = add(this.moving, "g", { class: place });
      for (const kind of ["upWick", "downWick", "up", "down"]) {
        const side = kind.startsWith("up") ? "up" : "down";
        this.candles[place + kind] = add(group, "path", { class: `${kind.endsWith("Wick") ? "wick" : "body"} ${side}` });
      }
    }
    this.strip = add(this.moving, "g", { class: "strip", "data-testid": "p-strip" });
    this.future = add(this.moving, "g", { class: "future" });
    this.panes = PANES.map((pane) => this.makePane(pane));
    this.over = add(svg, "g");
    this.handles = { start: this.makeHandle("start"), end: this.makeHandle("end") };
    this.cross = add(svg, "line", { class: "cross", visibility: "hidden" });
    this.price = add(svg, "g", { class: "price-tag", visibility: "hidden" });
    add(this.price, "rect", { height: 16, rx: 3 });
    add(this.price, "text", { y: 12 });
  }

  makePane(pane) {
    const frame = add(this.svg, "g", { class: `pane ${pane.kind}`, "data-testid": `pane-${pane.kind}` });
    this.svg.insertBefore(frame, this.over ?? null);
    const parts = {
      border: add(frame, "line", { class: "border", x1: 0 }), level: add(frame, "line", { class: "level", x1: 0 }),
      name: add(frame, "text", { class: "name", x: 0 }, pane.name), value: add(frame, "text", { class: "value", "text-anchor": "end" }),
      top: add(frame, "text", { class: "scale" }, pane.y1), foot: add(frame, "text", { class: "scale" }, pane.y0),
    };
    const group = add(this.moving, "g", { class: `pane ${pane.kind}` });
    const curves = { area: add(group, "path", { class: "area" }), model: add(group, "path", { class: "model" }), curve: add(group, "path", { class: "curve" }) };
    return { pane, parts, curves };
  }

  makeHandle(edge) {
    const handle = add(this.svg, "g", {
      class: "handle", tabindex: 0, role: "slider", "data-testid": `handle-${edge}`, "data-edge": edge,
      "aria-label": edge === "start" ? "First bar of the expansion" : "Last bar of the expansion",
      "aria-valuemin": 0, "aria-valuemax": N_BARS - 1, visibility: "hidden",
    });
    add(handle, "line");
    add(handle, "rect", { class: "grip", x: -4, width: 8, height: 34, rx: 4 });
    add(handle, "rect", { class: "reach" });
    return handle;
  }

  // ---- drawing ----------------------------------------------------------------------------------

  draw(scene) {
    this.scene = scene;
    const width = this.width ?? this.host.clientWidth ?? 800;
    const { item, view } = scene;
    if (this.box?.width !== width) this.place(views.layout(width));
    const { box } = this;
    this.barWidth = views.barWidthOf(box, view);
    const bars = views.visibleBars(item, views.needsContext(view) ? scene.context : null, scene.hidden);
    const { low, high } = views.scaleOf(bars, view);
    this.y = (price) => box.priceTop + ((high - price) / (high - low)) * box.priceHeight;
    this.priceAt = (y) => high - ((y - box.priceTop) / box.priceHeight) * (high - low);
    this.drawAxes(low, high);
    this.drawCandles(bars);
    this.drawRegion();
    this.slide();
    this.drawSpans();
    this.host.dataset.window = item.uid;
  }

  // New sizes; nothing here depends on the window.
  place(box) {
    this.box = box;
    set(this.svg, { width: box.width, height: box.height });
    set(this.clip, { width: box.plotWidth, height: box.plotBottom });
    this.panes.forEach(({ pane, parts }, i) => {
      const at = box.panes[i];
      const y = (v) => at.plotTop + ((pane.y1 - geometry.clamp(v, pane.y0, pane.y1)) / (pane.y1 - pane.y0)) * at.plotHeight;
      this.panes[i].y = y;
      set(parts.border, { x2: box.plotWidth, y1: at.top, y2: at.top });
      set(parts.level, { x2: box.plotWidth, y1: y(pane.line), y2: y(pane.line) });
      set(parts.name, { y: at.titleY });
      set(parts.value, { x: box.plotWidth - 2, y: at.titleY });
      set(parts.top, { x: box.plotWidth + 6, y: y(pane.y1) + 5 });
      set(parts.foot, { x: box.plotWidth + 6, y: y(pane.y0) + 3 });
    });
    set(this.cross, { y1: box.priceTop, y2: box.plotBottom });
    for (const handle of Object.values(this.handles)) {
      const [line, grip, reach] = handle.children;
      set(line, { y1: box.priceTop, y2: box.plotBottom });
      set(grip, { y: box.priceTop + box.priceHeight - 40 });
      set(reach, { y: box.priceTop, height: box.plotBottom - box.priceTop });
    }
  }

  slide() {
    set(this.moving, { transform: `translate(${(-this.scene.view.from * this.barWidth).toFixed(2)},0)` });
  }

  xOf(line) {
    return (line - this.scene.view.from) * this.barWidth;
  }

  drawAxes(low, high) {
    const { box, scene } = this;
    const { item, view } = scene;
    const { step, ticks } = geometry.priceTicks(low, high, item.tick, box.narrow ? 5 : 8);
    this.decimals = Math.max(item.tick ? geometry.decimalsOf(item.tick) : 2, 0);
    const decimals = Math.max(item.tick ? 0 : 2, geometry.decimalsOf(step));
    let markup = "";
    for (const price of ticks) {
      const y = this.y(price).toFixed(1);
      if (y < box.priceTop + 4) continue;
      markup += `<line x1="0" x2="${box.plotWidth}" y1="${y}" y2="${y}"/>`;
      markup += `<text x="${box.plotWidth + 6}" y="${+y + 4}">${geometry.formatPrice(price, decimals)}</text>`;
    }
    const bars = views.barTicks(view, box.plotWidth);
    const middle = (bar) => this.xOf(bar + 0.5).toFixed(1);
    for (const bar of bars) {
      markup += `<line class="upright" x1="${middle(bar)}" x2="${middle(bar)}" y1="${box.priceTop}" y2="${box.plotBottom}"/>`;
      markup += `<text x="${middle(bar)}" y="${box.plotBottom + 13}" text-anchor="${this.anchor(+middle(bar))}">${bar}</text>`;
    }
    markup += `<text x="${box.plotWidth + 6}" y="${box.plotBottom + 13}">bar</text>`;
    if (item.times) {
      const known = bars.filter((bar) => this.timeOf(bar) !== null);
      const times = Object.fromEntries(known.map((bar) => [bar, this.timeOf(bar)]));
      for (const { bar, text } of geometry.timeTicks(times, known)) {
        markup += `<text class="time" x="${middle(bar)}" y="${box.plotBottom + 28}" text-anchor="${this.anchor(+middle(bar))}">${text}</text>`;
      }
      markup += `<text x="${box.plotWidth + 6}" y="${box.plotBottom + 28}">UTC</text>`;
    }
    this.grid.innerHTML = markup;
  }

  anchor(x) {
    return x < 34 ? "start" : x > this.box.plotWidth - 24 ? "end" : "middle";
  }

  timeOf(bar) {
    const { item, context } = this.scene;
    return item.times?.[bar] ?? context?.times?.[bar - context.start] ?? null;
  }

  drawCandles(bars) {
    for (const place of ["around", "own"]) {
      const paths = views.candlePaths(bars.filter((bar) => bar.isContext === (place === "around")), this.barWidth, this.y);
      for (const [kind, path] of Object.entries(paths)) set(this.candles[place + kind], { d: path });
    }
  }

  // What lies outside the inner region is shaded; seams; the strip; the hidden future.
  drawRegion() {
    const { box, barWidth, scene } = this;
    const { item, inner, hidden } = scene;
    const rect = (from, to, extra = "") => (to > from
      ? `<rect x="${(from * barWidth).toFixed(1)}" width="${((to - from) * barWidth).toFixed(1)}" y="${box.priceTop}" height="${box.plotBottom - box.priceTop}"${extra}/>` : "");
    this.inner.innerHTML = rect(-200, inner[0]) + rect(inner[1] + 1, 305);
    const shown = (bar) => hidden === null || bar <= hidden;
    const seams = item.times ? geometry.seams(item.times).filter(shown) : [];
    this.seams.innerHTML = seams.map((bar) =>
      `<line x1="${bar * barWidth}" x2="${bar * barWidth}" y1="${box.priceTop}" y2="${box.plotBottom}"><title>${this.gapText(bar)}</title></line>`).join("");
    const values = item.model?.binary.filter((_, bar) => shown(bar)) ?? [];
    this.strip.innerHTML = `<rect class="bed" x="0" width="${N_BARS * barWidth}" y="${box.stripTop}" height="${box.stripHeight}"/>` +
      views.stripRuns(values).map(({ from, to, level }) =>
        `<rect x="${(from * barWidth).toFixed(1)}" width="${((to - from) * barWidth).toFixed(1)}" y="${box.stripTop}" height="${box.stripHeight}" fill-opacity="${level}"/>`).join("");
    this.future.innerHTML = hidden === null ? "" : rect(hidden + 1, 305);
  }

  gapText(bar) {
    const { times } = this.scene.item;
    const minutes = Math.round((times[bar] - times[bar - 1]) / 60);
    const text = minutes >= 2880 ? `${Math.round(minutes / 1440)} days` : minutes >= 120 ? `${Math.round(minutes / 60)} hours` : `${minutes} minutes`;
    return `A gap of ${text} before bar ${bar}`;
  }

  // Everything that a drag or a nudge changes.
  drawSpans(draft = null) {
    const { scene } = this;
    const spans = scene.spans.map((span) => (draft && span.id === draft.id ? draft : span));
    if (draft && !spans.includes(draft)) spans.push(draft);
    const last = scene.hidden;
    const seen = items.seen(spans, last);
    this.active = draft ?? seen.find((span) => span.id === scene.active?.id) ?? null;
    const bands = (scene.item.cut ?? []).map((cut) => this.band("cut", cut, "A span that continues outside this window"));
    for (const ref of scene.refs) if (last === null || ref.end <= last) bands.push(this.band(`ref ${ref.kind}`, ref, ref.name));
    for (const span of seen) bands.push(this.band(this.kindOf(span), span, geometry.spanText(span)));
    this.under.innerHTML = bands.join("");
    this.drawBadges(seen);
    for (const edge of ["start", "end"]) this.placeHandle(edge);
    this.drawTargets(seen);
    const name = scene.item.name;
    const text = this.active ? `Span ${geometry.spanText(this.active)}` : "No span";
    set(this.svg, { "aria-label": `${name}. ${text}.` });
    this.host.dataset.span = this.active ? `${this.active.start}-${this.active.end}` : "";
  }

  kindOf(span) {
    const isActive = span.id === this.active?.id;
    return `${isActive ? "active" : "other"}${span.draft ? " draft" : ""}${span.broken?.length ? " broken" : ""}`;
  }

  // A band, with soft flanks where an edge is uncertain.
  band(kind, span, title) {
    const { box, barWidth } = this;
    const rect = (from, to, extra) =>
      `<rect class="band ${kind}${extra}" data-id="${span.id ?? ""}" x="${(from * barWidth).toFixed(1)}" width="${Math.max(0, (to - from) * barWidth).toFixed(1)}" y="${box.priceTop}" height="${box.plotBottom - box.priceTop}"><title>${title}</title></rect>`;
    let markup = rect(span.start, span.end + 1, "");
    for (const range of [span.start_range, span.end_range]) {
      if (views.isSoft(range)) markup += rect(range[0], range[1] + 1, " soft");
    }
    return markup;
  }

  // The active span is named whole; of the others those whose short names cover no name before them.
  drawBadges(spans) {
    this.over.replaceChildren();
    const isActive = (span) => span.id === this.active?.id;
    const taken = [];
    for (const span of [...spans.filter(isActive), ...spans.filter((other) => !isActive(other))]) {
      const a = this.xOf(span.start), z = this.xOf(span.end + 1);
      if (z < 0 || a > this.box.plotWidth) continue;
      const text = isActive(span) ? this.fullName(span) : `${span.start} – ${span.end}`;
      const width = text.length * 5.6 + 18;
      const x = geometry.badgeX(Math.max(0, a), Math.min(this.box.plotWidth, z), width, this.box.plotWidth);
      const [left, right] = [x - width / 2, x + width / 2];
      if (taken.some((other) => left < other.right && other.left < right)) continue;
      taken.push({ left, right });
      const group = add(this.over, "g", { class: `badge${span.draft ? " draft" : ""}${isActive(span) ? "" : " quiet"}` });
      add(group, "rect", { y: 2, height: 18, rx: 9, x: left, width });
      const label = add(group, "text", { y: 15, x, "text-anchor": "middle" }, text);
      if (isActive(span)) set(label, { "data-testid": "span-badge" });
    }
  }

  fullName(span) {
    const arrow = { down: "↓", up: "↑" }[span.direction];
    return [geometry.spanText(span), span.draft ? "proposed" : span.type, span.grade && `grade ${span.grade}`, arrow].filter(Boolean).join(" · ");
  }

  placeHandle(edge) {
    const handle = this.handles[edge];
    const span = this.active;
    const x = span ? this.xOf(edge === "start" ? span.start : span.end + 1) : -1;
    const seen = span && x >= -1 && x <= this.box.plotWidth + 1;
    set(handle, { visibility: seen ? "visible" : "hidden" });
    if (!seen) return;
    const reach = this.coarse ? 22 : 9;
    set(handle, {
      transform: `translate(${x.toFixed(1)},0)`, class: `handle${this.scene.edge === edge ? " chosen" : ""}`,
      "aria-valuenow": span[edge], "aria-valuetext": this.barText(span[edge]),
    });
    set(handle.lastChild, geometry.handleBox(edge, (span.end - span.start + 1) * this.barWidth, reach));
  }

  drawTargets(spans) {
    const { scene, barWidth } = this;
    const n = scene.hidden === null ? N_BARS : scene.hidden + 1;
    const mask = views.softMask(spans.map((span) => ({ start_range: [span.start, span.start], end_range: [span.end, span.end], ...span })), n);
    const countdown = this.active && geometry.countdownTarget(this.active, n);
    const model = scene.model ? scene.item.model : null;
    const values = { binary: mask, countdown };
    this.values = values;
    for (const { pane, y, curves } of this.panes) {
      const isMask = pane.kind === "binary";
      const own = values[pane.kind];
      const path = own ? (isMask ? geometry.stepPath : geometry.curvePath)(own, barWidth, y) : "";
      set(curves.curve, { d: path });
      set(curves.area, { d: own && isMask ? `${path}V${y(0).toFixed(1)}H0z` : "" });
      set(curves.model, { d: model?.[pane.kind] ? geometry.curvePath(model[pane.kind].slice(0, n), barWidth, y) : "" });
    }
  }

  barText(bar) {
    const time = this.timeOf(bar);
    return time === null ? `bar ${bar}` : `bar ${bar}, ${geometry.dayText(time)} ${geometry.clockText(time)}`;
  }

  // The crosshair at a bar, and the price beside it at height y.
  point(bar, y = null) {
    const { box } = this;
    const shown = bar !== null && bar >= this.scene.view.from - 1 && bar < this.scene.view.to;
    set(this.cross, { visibility: shown ? "visible" : "hidden" });
    if (shown) set(this.cross, { x1: this.xOf(bar + 0.5), x2: this.xOf(bar + 0.5) });
    const tagged = shown && y !== null && y >= box.priceTop && y <= box.priceTop + box.priceHeight;
    set(this.price, { visibility: tagged ? "visible" : "hidden" });
    if (tagged) {
      const [plate, label] = this.price.children;
      const tick = this.scene.item.tick;
      const price = this.priceAt(y);
      label.textContent = geometry.formatPrice(tick ? Math.round(price / tick) * tick : price, this.decimals);
      set(this.price, { transform: `translate(${box.plotWidth + 1},${y - 8})` });
      set(plate, { width: box.axisWidth - 1 });
      set(label, { x: 5 });
    }
    for (const { pane, parts } of this.panes) {
      const value = shown ? this.values?.[pane.kind]?.[bar] : null;
      const model = shown && this.scene.model ? this.scene.item.model?.[pane.kind]?.[bar] : null;
      const own = value == null ? "" : pane.kind === "countdown" ? `${value > 0 ? "+" : ""}${value}` : +value.toFixed(2);
      parts.value.textContent = [own, model == null ? "" : `model ${model.toFixed(pane.kind === "countdown" ? 1 : 2)}`].filter((text) => text !== "").join(" · ");
    }
  }

  readout(bar) {
    const { item, context, hidden } = this.scene;
    if (bar === null || (hidden !== null && bar > hidden)) return null;
    const inside = bar >= 0 && bar < N_BARS;
    const bars = inside ? item.bars : context?.bars;
    const at = inside ? bar : bar - (context?.start ?? 0);
    if (bars?.c[at] === undefined) return null;
    const price = (key) => geometry.formatPrice(bars[key][at], this.decimals);
    const volume = bars.v?.[at] != null ? `   V ${bars.v[at].toLocaleString("en")}` : "";
    const change = bars.c[at] - bars.o[at];
    const prices = this.box.narrow ? `C ${price("c")}` : `O ${price("o")}   H ${price("h")}   L ${price("l")}   C ${price("c")}   ${change >= 0 ? "+" : "−"}${geometry.formatPrice(Math.abs(change), this.decimals)}${volume}`;
    return `${this.barText(bar)}   ${prices}`;
  }
}
