// Pointer and wheel on the chart: drag an edge, a span or an empty stretch, zoom and pan.
import * as geometry from "../span_geometry.js";
import * as views from "./view.js";

const DRAG_PX = 5, TOUCH_DRAG_PX = 10, LAST = 104;

// `on` = {pick(id, edge), place(span, id, mode, event), hover(bar, y), view(view), reach(span, id, anchor)}
export class Gestures {
  constructor(chart, on) {
    Object.assign(this, { chart, on, drag: null });
    const { svg } = chart;
    svg.addEventListener("pointerdown", (event) => this.press(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerup", (event) => this.release(event));
    svg.addEventListener("pointercancel", () => this.cancel());
    svg.addEventListener("pointerleave", () => !this.drag && on.hover(null, null));
    svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    svg.addEventListener("focusin", (event) => {
      const edge = event.target.closest?.(".handle")?.dataset.edge;
      if (edge && chart.active && !this.drag) on.pick(chart.active.id, edge);
    });
  }

  at(event) {
    const box = this.chart.svg.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  lineAt(x) {
    return x / this.chart.barWidth + this.chart.scene.view.from;
  }

  barAt(x) {
    return geometry.clamp(Math.floor(this.lineAt(x)), 0, LAST);
  }

  press(event) {
    const { chart } = this;
    if (event.button === 1) return this.startPan(event);
    if (event.button || !chart.scene) return undefined;
    const { x } = this.at(event);
    const bar = this.barAt(x);
    const edge = event.target.closest?.(".handle")?.dataset.edge;
    const hit = edge ? chart.active : chart.scene.spans.find((span) => bar >= span.start && bar <= span.end);
    if (hit && hit.id !== chart.active?.id) this.on.pick(hit.id, null);
    const mode = edge ?? (hit ? "move" : "new");
    const line = edge && (edge === "start" ? chart.active.start : chart.active.end + 1);
    const grabbed = edge ? this.lineAt(x) - line : 0;
    this.drag = { mode, x, grabbed, pressBar: bar, from: hit ? { ...hit } : null, span: null, touch: event.pointerType === "touch", id: event.pointerId };
    chart.svg.setPointerCapture(event.pointerId);
    if (edge) event.preventDefault();
    return undefined;
  }

  startPan(event) {
    event.preventDefault();
    this.drag = { mode: "pan", x: this.at(event).x, view: this.chart.scene.view };
    this.chart.svg.setPointerCapture(event.pointerId);
  }

  move(event) {
    const { x, y } = this.at(event);
    const { drag, chart } = this;
    if (!chart.scene) return;
    if (drag?.mode === "pan") {
      this.on.view(views.panned(drag.view, (drag.x - x) / chart.barWidth));
      return;
    }
    if (drag) this.dragTo(x);
    const line = this.lineAt(x);
    const inPlot = x <= chart.box.plotWidth;
    this.on.hover(inPlot ? Math.floor(line) : null, y);
  }

  dragTo(x) {
    const { drag, chart } = this;
    const isEdge = drag.mode === "start" || drag.mode === "end";
    const least = isEdge ? 1 : drag.touch ? TOUCH_DRAG_PX : DRAG_PX;
    drag.moved ||= Math.abs(x - drag.x) >= least;
    if (!drag.moved) return;
    const line = this.lineAt(x) - drag.grabbed;
    const bar = isEdge ? geometry.edgeBarAt(drag.mode, line, 1, 105) : this.barAt(x);
    const to = geometry.dragged({ mode: drag.mode, from: drag.from, pressBar: drag.pressBar, bar, nBars: 105 });
    const anchor = drag.mode === "start" ? drag.from.end : drag.mode === "end" ? drag.from.start : drag.mode === "new" ? drag.pressBar : to.start;
    const reached = this.on.reach(to, drag.from?.id ?? null, anchor);
    const isWhole = reached && (drag.mode !== "move" || reached.end - reached.start === drag.from.end - drag.from.start);
    if (!isWhole) return;
    drag.span = { ...(drag.from ?? { id: "new", draft: false }), ...reached };
    delete drag.span.start_range;
    delete drag.span.end_range;
    chart.drawSpans(drag.span);
  }

  release(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag || drag.mode === "pan") return;
    if (drag.span) this.on.place({ start: drag.span.start, end: drag.span.end }, drag.from?.id ?? null, drag.mode, event);
    else if (drag.from) this.on.pick(drag.from.id, drag.mode === "move" ? null : drag.mode);
  }

  cancel() {
    if (!this.drag) return;
    this.drag = null;
    this.chart.drawSpans();
  }

  // As in other trading charts: the wheel zooms about the pointer, sideways or with Shift it pans.
  wheel(event) {
    if (!this.chart.scene) return;
    const { x } = this.at(event);
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    event.preventDefault();
    const { view } = this.chart.scene;
    const amount = event.shiftKey && !event.deltaX ? event.deltaY : sideways ? event.deltaX : event.deltaY;
    if (sideways) this.on.view(views.panned(view, amount / this.chart.barWidth));
    else this.on.view(views.zoomed(view, Math.exp(geometry.clamp(amount, -240, 240) * 0.0016), this.lineAt(x)));
  }
}
