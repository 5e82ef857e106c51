// A little help with elements, and small charts as text.
import * as geometry from "../span_geometry.js";
import * as items from "./item.js";
import * as views from "./view.js";

export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && (value !== false || name.startsWith("aria-"))) node.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const escaped = (text) =>
  String(text ?? "").replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);

// A button that is pressed by the mouse without taking the focus: Space must go on deciding.
export function button(label, key, testId, press, attributes = {}) {
  const node = h("button", { type: "button", "data-testid": testId, ...attributes, onclick: press }, h("span", {}, label));
  node.addEventListener("pointerdown", (event) => event.preventDefault());
  node.append(h("kbd", {}, key ?? ""));
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

// Candles and spans of a window in a few hundred pixels, for the gallery and for conflicts.
export function miniChart(item, spans, { width, height }) {
  const barWidth = width / items.N_BARS;
  const { low, high } = geometry.priceRange(item.bars.l, item.bars.h);
  const y = (price) => ((high - price) / (high - low)) * height;
  const bars = item.bars.c.map((c, bar) => ({ bar, o: item.bars.o[bar], h: item.bars.h[bar], l: item.bars.l[bar], c }));
  const paths = views.candlePaths(bars, barWidth, y);
  const band = (span, kind) =>
    `<rect class="band ${kind}" x="${(span.start * barWidth).toFixed(1)}" width="${((span.end - span.start + 1) * barWidth).toFixed(1)}" y="0" height="${height}"/>`;
  const bands = spans.map((span) => band(span, span.draft ? "active draft" : "active")).join("");
  const candles = ["upWick", "downWick", "up", "down"].map((kind) =>
    `<path class="${kind.endsWith("Wick") ? "wick" : "body"} ${kind.startsWith("up") ? "up" : "down"}" d="${paths[kind]}"/>`).join("");
  return `<svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" class="mini" aria-hidden="true">${bands}${candles}</svg>`;
}

// Call back when what was just changed is on the screen: after the frame that draws it.
export function whenPainted(callback) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => callback(performance.now());
    port2.postMessage(null);
  });
}

const MOST_MEASURES = 3000;
let measures = 0;

// A line in the browser's performance timeline, from the event's own time stamp on.
export function measure(name, start, detail) {
  whenPainted((end) => {
    if ((measures += 1) > MOST_MEASURES) {
      performance.clearMeasures();
      measures = 0;
    }
    performance.measure(`desk:${name}`, { start, end, detail });
  });
}
