// Geometry of the span chart: numbers in, numbers out, no DOM. Tested under node.
// Spans are {start, end} in bars of the window; both ends are inclusive.

export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

export const sameSpan = (a, b) => (!a && !b) || (!!a && !!b && a.start === b.start && a.end === b.end);

// Where everything goes. A pane keeps a strip of its own for its name, so that no curve crosses it.
export function layout({ width, nBars, nPanes, hasTimes, nLanes = 0 }) {
  const narrow = width < 560;
  const axisWidth = narrow ? 46 : 58;
  const plotWidth = Math.max(80, width - axisWidth);
  const badgeHeight = 22;
  const priceHeight = narrow ? 230 : 300;
  const paneTitle = 18;
  const paneHeight = narrow ? 56 : 66;
  const axisHeight = hasTimes ? 34 : 20;
  const laneHeight = 18;
  const priceTop = badgeHeight + nLanes * laneHeight + (nLanes ? 4 : 0);
  const lanes = Array.from({ length: nLanes }, (_, i) => badgeHeight + (i + 0.5) * laneHeight);
  const panes = Array.from({ length: nPanes }, (_, i) => {
    const top = priceTop + priceHeight + 6 + i * (paneTitle + paneHeight);
    return { top, titleY: top + 13, plotTop: top + paneTitle + 3, plotHeight: paneHeight - 8 };
  });
  const plotBottom = priceTop + priceHeight + (nPanes ? 6 + nPanes * (paneTitle + paneHeight) : 0);
  return {
    narrow, plotWidth, axisWidth, lanes, priceTop, priceHeight, panes, plotBottom,
    barWidth: plotWidth / nBars, height: plotBottom + axisHeight,
  };
}

// Pixels for words after a span of a lane: up to the next span of it, or the end of the plot.
export function roomAfter(spans, span, barWidth, plotWidth) {
  const next = spans.filter((s) => s.start > span.end).map((s) => s.start * barWidth);
  return Math.min(plotWidth, ...next) - (span.end + 1) * barWidth;
}

export const barCenter = (bar, barWidth) => (bar + 0.5) * barWidth;

export const barAt = (x, barWidth, nBars) => clamp(Math.floor(x / barWidth), 0, nBars - 1);

// An edge is a line between bars, so a dragged end at x belongs to the bar left of the line.
export function edgeBarAt(edge, x, barWidth, nBars) {
  const line = Math.round(x / barWidth);
  return clamp(edge === "start" ? line : line - 1, 0, nBars - 1);
}

// The span during a gesture; `from` is what it was at the press, `pressBar` where that was.
export function dragged({ mode, from, pressBar, bar, nBars }) {
  if (mode === "start") return { start: Math.min(bar, from.end), end: from.end };
  if (mode === "end") return { start: from.start, end: Math.max(bar, from.start) };
  if (mode === "move") {
    const last = from.end - from.start;
    const start = clamp(from.start + bar - pressBar, 0, nBars - 1 - last);
    return { start, end: start + last };
  }
  return { start: Math.min(bar, pressBar), end: Math.max(bar, pressBar) };
}

export function nudged(span, edge, step, nBars) {
  if (edge === "start") return { start: clamp(span.start + step, 0, span.end), end: span.end };
  return { start: span.start, end: clamp(span.end + step, span.start, nBars - 1) };
}

// Handles grow outwards: on a one-bar span both can still be grabbed.
export function handleBox(edge, spanWidth, reach) {
  const inwards = Math.min(reach, spanWidth / 2);
  return edge === "start" ? { x: -reach, width: reach + inwards } : { x: -inwards, width: reach + inwards };
}

export function priceRange(lows, highs) {
  const low = Math.min(...lows), high = Math.max(...highs);
  const margin = (high - low) * 0.05 || Math.abs(high) * 1e-4 || 1;
  return { low: low - margin, high: high + margin };
}

// Decimals that show one tick: 0.25 needs 2, 0.00001 needs 5. Without a tick the step decides.
export function decimalsOf(step) {
  if (!(step > 0)) return 2;
  for (let decimals = 0; decimals < 10; decimals += 1) {
    if (Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) < 1e-6) return decimals;
  }
  return 10;
}

// Round price steps (1, 2, 2.5, 5 times a power of ten), never finer than the tick.
export function priceTicks(low, high, tick, maxCount) {
  const smallest = Math.max((high - low) / maxCount, tick || 0);
  const power = 10 ** Math.floor(Math.log10(smallest));
  const onTick = (step) => !tick || Math.abs(step / tick - Math.round(step / tick)) < 1e-6;
  const steps = [1, 2, 2.5, 5, 10, 20, 25, 50].map((k) => k * power).filter((s) => s >= smallest * (1 - 1e-9));
  const step = steps.find(onTick) ?? steps[0];
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) ticks.push(k * step);
  return { step, ticks };
}

export const formatPrice = (value, decimals) =>
  value.toFixed(decimals).replace(/\B(?=(\d{3})+(?=\.|$))(?<!\.\d*)/g, ",");

export function barTicks(nBars, plotWidth) {
  const every = plotWidth < 360 ? 30 : 15;
  const ticks = [];
  for (let bar = 0; bar < nBars; bar += every) ticks.push(bar);
  return ticks;
}

const two = (n) => String(n).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function clockText(seconds) {
  const t = new Date(seconds * 1000);
  return `${two(t.getUTCHours())}:${two(t.getUTCMinutes())}`;
}

export function dayText(seconds) {
  const t = new Date(seconds * 1000);
  return `${t.getUTCDate()} ${MONTHS[t.getUTCMonth()]}`;
}

// Time under a bar tick; the first one, and the first of a new day, carry the date.
export function timeTicks(times, ticks) {
  let day = null;
  return ticks.map((bar) => {
    const today = dayText(times[bar]);
    const text = today === day ? clockText(times[bar]) : `${today} ${clockText(times[bar])}`;
    day = today;
    return { bar, text };
  });
}

// Bars after a hole in time: drawn as a seam, because the next bar may be days later.
export function seams(times) {
  const steps = times.slice(1).map((t, i) => t - times[i]);
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)];
  return steps.flatMap((step, i) => (step > 1.5 * usual ? [i + 1] : []));
}

// Targets, as moola.labels.create_expansion_labels makes them.
export const binaryTarget = (spans, nBars) =>
  Array.from({ length: nBars }, (_, bar) => (spans.some((s) => bar >= s.start && bar <= s.end) ? 1 : 0));

export const countdownTarget = (span, nBars) => Array.from({ length: nBars }, (_, bar) => span.start - bar);

// A mask is drawn with square shoulders at the bar borders, a curve through bar centres.
export function stepPath(values, barWidth, y) {
  let path = "";
  values.forEach((value, bar) => {
    const height = y(value).toFixed(1);
    path += `${bar ? "V" : `M0 `}${height}H${((bar + 1) * barWidth).toFixed(1)}`;
  });
  return path;
}

// Bars without a prediction (null) leave a hole in the curve.
export function curvePath(values, barWidth, y) {
  let path = "", pen = "M";
  values.forEach((value, bar) => {
    if (value == null) { pen = "M"; return; }
    path += `${pen}${barCenter(bar, barWidth).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
  });
  return path;
}

// Where a label of that width fits beside or over a..z without leaving the plot.
export const badgeX = (a, z, labelWidth, plotWidth) =>
  clamp((a + z) / 2, labelWidth / 2 + 1, Math.max(labelWidth / 2 + 1, plotWidth - labelWidth / 2 - 1));

export const spanText = (span) => {
  const n = span.end - span.start + 1;
  return `${span.start} – ${span.end} · ${n} ${n === 1 ? "bar" : "bars"}`;
};
