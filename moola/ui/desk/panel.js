// Beside the chart: the spans and their names, the note, the written rule. Every control is there
// in every window, so that none of them moves.
import * as geometry from "../span_geometry.js";
import * as items from "./item.js";
import * as dom from "./dom.js";

const { h } = dom;
const SHORT = { consolidation: "Consolid.", retracement: "Retrace", reversal: "Reversal" };

export class Panel {
  constructor(act) {
    this.act = act;
    this.picks = h("div", { class: "picks", role: "group", "aria-label": "Spans of this window" });
    this.type = this.group("Before it", items.TYPES.map((type, i) => [type, SHORT[type], `${i + 1}`, { type }]), "class");
    this.direction = this.group("Direction", [["up", "↑ up", "U", { direction: "up" }], ["down", "↓ down", "L", { direction: "down" }]], "direction");
    this.grade = this.group("Grade", ["A", "B", "C"].map((grade, i) => [grade, grade, `⇧${i + 1}`, { grade }]), "grade");
    this.confidence = this.group("Sure", [1, 2, 3].map((sure) => [sure, `${sure}`, "", { confidence: sure }]), "confidence");
    this.soft = h("span", { class: "soft-text", "data-testid": "uncertainty" });
    this.softRow = h("div", { class: "row" }, h("label", {}, "Edge ±"),
      h("div", { class: "seg" }, dom.button("narrow", "⇧W", "desk-narrow", () => act("narrow")), dom.button("widen", "W", "desk-widen", () => act("widen"))), this.soft);
    this.broken = h("div", { class: "broken", "data-testid": "broken" });
    this.note = h("textarea", { rows: 2, placeholder: "Note (I)", "aria-label": "Note about this window", "data-testid": "desk-note" });
    this.note.addEventListener("change", () => act("save_note", null, this.note.value));
    this.note.addEventListener("keydown", (event) => this.keyInNote(event));
    this.ruleName = h("summary", { "data-testid": "rule-name" }, "Written rule");
    this.ruleText = h("div", { class: "rule-text" });
    this.node = h("aside", { class: "side", "aria-label": "Span, note and rule" },
      this.picks, this.type.node, this.direction.node, this.grade.node, this.confidence.node, this.softRow, this.broken,
      this.note, h("details", { class: "rule" }, this.ruleName, this.ruleText));
  }

  group(title, choices, testId) {
    const buttons = choices.map(([value, text, key, values]) => {
      const node = dom.button(text, key, `${testId}-${value}`, () => this.act("change", null, values));
      node.title = String(value);
      return [value, node];
    });
    const node = h("div", { class: "row" }, h("label", {}, title), h("div", { class: "seg", role: "group", "aria-label": title }, ...buttons.map(([, button]) => button)));
    return { node, buttons };
  }

  keyInNote(event) {
    if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
      event.preventDefault();
      event.stopPropagation();
      this.note.blur(); // the change event saves it
    }
  }

  setRule(rule) {
    dom.setText(this.ruleName, rule ? `Written rule ${rule.rule_version}` : "No written rule yet");
    this.ruleText.textContent = rule?.text_md ?? "";
  }

  draw(item, spans, active, edge) {
    this.drawPicks(spans, active);
    for (const [name, { buttons }] of [["type", this.type], ["direction", this.direction], ["grade", this.grade], ["confidence", this.confidence]]) {
      for (const [value, node] of buttons) {
        node.setAttribute("aria-pressed", !!active && active[name] === value);
        node.disabled = !active;
      }
    }
    dom.setText(this.soft, active ? uncertaintyText(active, edge) : "");
    const broken = active?.broken ?? [];
    const text = broken.join("\n");
    if (this.brokenText !== text) {
      this.brokenText = text;
      this.broken.replaceChildren(...broken.map((reason) => h("span", { class: "chip broke", title: "Breaks the written rule" }, reason)));
    }
    this.drawNote(item);
  }

  drawNote(item) {
    const isOther = this.noteOf !== item.uid;
    if (isOther || this.note.getRootNode().activeElement !== this.note) {
      if (this.note.value !== (item.note ?? "")) this.note.value = item.note ?? "";
    }
    this.noteOf = item.uid;
  }

  drawPicks(spans, active) {
    const text = JSON.stringify([spans.map((span) => [span.id, span.start, span.end, span.draft, span.broken?.length]), active?.id]);
    if (text === this.picksText) return;
    this.picksText = text;
    const made = spans.map((span) => dom.button(geometry.spanText(span), span.draft ? "proposed" : "", "span-pick", () => this.act("pick", null, span.id), {
      class: `pick${span.draft ? " draft" : ""}${span.broken?.length ? " broke" : ""}`, "aria-pressed": span.id === active?.id,
    }));
    this.picks.replaceChildren(...(made.length ? made : [h("span", { class: "empty" }, "No span drawn")]));
  }
}

function uncertaintyText(span, edge) {
  const text = (name, [low, high]) => (low === high ? `${name} ${low}` : `${name} ${low} – ${high}`);
  const parts = [text("start", span.start_range ?? [span.start, span.start]), text("end", span.end_range ?? [span.end, span.end])];
  return edge === "start" ? `▸${parts[0]}, ${parts[1]}` : `${parts[0]}, ▸${parts[1]}`;
}
