// Geometry of the desk's chart beyond that of the span chart: zoom, soft edges, heights. Pure.
import * as geometry from "../span_geometry.js";

export const WHOLE = { from: 0, to: 105 };
const LEAST_BARS = 20, AROUND = 200;

// Where the parts of the chart go. A pane keeps a strip of its own for its name.
export function layout(width) {
  const narrow = width < 560;
  const axisWidth = narrow ? 52 : 64;
  const plotWidth = Math.max(80, width - axisWidth);
  const priceTop = 24;
  const priceHeight = narrow ? 250 : width > 1000 ? 370 : 330;
  const stripTop = priceTop + priceHeight + 4;
  const stripHeight = 9;
  const paneTitle = 16, paneHeight = narrow ? 44 : 52;
  const panesTop = stripTop + stripHeight + 5;
  const panes = [0, 1].map((i) => {
    const top = panesTop + i * (paneTitle + paneHeight);
    return { top, titleY: top + 12, plotTop: top + paneTitle + 1, plotHeight: paneHeight - 8 };
  });
  const plotBottom = panesTop + 2 * (paneTitle + paneHeight);
  return { narrow, width, axisWidth, plotWidth, priceTop, priceHeight, stripTop, stripHeight, panes, plotBottom, height: plotBottom + 34 };
}

export const barWidthOf = (box, view) => box.plotWidth / (view.to - view.from);

// Zoom about a bar: what lies under the pointer stays there.
export function zoomed(view, factor, about) {
  const span = view.to - view.from;
  const next = geometry.clamp(span * factor, LEAST_BARS, WHOLE.to + 2 * AROUND);
  const share = (about - view.from) / span;
  return bounded({ from: about - share * next, to: about - share * next + next });
}

export function panned(view, bars) {
  return bounded({ from: view.from + bars, to: view.to + bars });
}

// Some of the window always stays in sight, and there is nothing beyond the bars around it.
function bounded({ from, to }) {
  const span = to - from;
  const start = geometry.clamp(from, -AROUND, WHOLE.to + AROUND - span);
  return { from: start, to: start + span };
}

export const isWhole = (view) => view.from === WHOLE.from && view.to === WHOLE.to;

// Bars in sight, of the window and around it: {first, last} relative to the window.
export const inSight = (view) => ({ first: Math.floor(view.from), last: Math.ceil(view.to) - 1 });

export const needsContext = (view) => view.from < WHOLE.from - 0.01 || view.to > WHOLE.to + 0.01;

// The bars to draw, the future cut off: [{bar, o, h, l, c}], with those around the window.
export function visibleBars(item, context, hidden) {
  const found = [];
  const push = (bars, start, isContext) => {
    for (let i = 0; i < bars.c.length; i += 1) {
      const bar = start + i;
      if (isContext && bar >= 0 && bar < WHOLE.to) continue;
      if (hidden !== null && bar > hidden) continue;
      found.push({ bar, o: bars.o[i], h: bars.h[i], l: bars.l[i], c: bars.c[i], isContext });
    }
  };
  if (context) push(context.bars, context.start, true);
  push(item.bars, 0, false);
  return found.sort((a, b) => a.bar - b.bar);
}

// The price scale is that of the window, and grows only where bars around it are in sight.
export function scaleOf(bars, view) {
  const { first, last } = inSight(view);
  const counted = bars.filter(({ bar, isContext }) => !isContext || (bar >= first && bar <= last));
  if (!counted.length) return { low: 0, high: 1 };
  return geometry.priceRange(counted.map((bar) => bar.l), counted.map((bar) => bar.h));
}

// A mask whose shoulders are as soft as the edges are uncertain: linear from low to high.
export function softMask(spans, nBars) {
  const rise = (bar, [low, high]) => (bar < low ? 0 : bar >= high ? 1 : (bar - low + 1) / (high - low + 1));
  const fall = (bar, [low, high]) => (bar > high ? 0 : bar <= low ? 1 : (high - bar + 1) / (high - low + 1));
  return Array.from({ length: nBars }, (_, bar) =>
    Math.max(0, ...spans.map((span) => Math.min(rise(bar, span.start_range), fall(bar, span.end_range)))));
}

export const isSoft = (range) => range && range[0] !== range[1];

// Candles as paths: bodies and wicks, rising and falling.
export function candlePaths(bars, barWidth, y) {
  const half = Math.max(0.6, Math.min(7, barWidth * 0.34));
  const paths = { up: "", down: "", upWick: "", downWick: "" };
  for (const { bar, o, h, l, c } of bars) {
    const kind = c >= o ? "up" : "down";
    const x = (bar + 0.5) * barWidth;
    const top = y(Math.max(o, c));
    const height = Math.max(1, y(Math.min(o, c)) - top);
    paths[`${kind}Wick`] += `M${x.toFixed(1)} ${y(h).toFixed(1)}V${y(l).toFixed(1)}`;
    paths[kind] += `M${(x - half).toFixed(1)} ${top.toFixed(1)}h${(2 * half).toFixed(1)}v${height.toFixed(1)}h${(-2 * half).toFixed(1)}z`;
  }
  return paths;
}

// Runs of equal opacity of a strip of probabilities, in eight steps: [{from, to, level}].
export function stripRuns(values) {
  const runs = [];
  values.forEach((value, bar) => {
    const level = value == null ? 0 : Math.round(geometry.clamp(value, 0, 1) * 8) / 8;
    const last = runs.at(-1);
    if (last && last.level === level) last.to = bar + 1;
    else runs.push({ from: bar, to: bar + 1, level });
  });
  return runs.filter((run) => run.level > 0);
}

export function barTicks(view, plotWidth) {
  const across = view.to - view.from;
  const most = plotWidth < 420 ? 4 : 9;
  const every = [5, 15, 30, 60, 105].find((step) => across / step <= most) ?? 210;
  const ticks = [];
  for (let bar = Math.ceil(view.from / every) * every; bar < view.to; bar += every) ticks.push(bar);
  return ticks;
}
