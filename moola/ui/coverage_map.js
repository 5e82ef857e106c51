// A map of months x market hours x volatility: cells = [{m, c, share, text, title}], event pick {m, c}.
// c counts the columns: part of the day times three, plus volatility. A narrow map lies on its side:
// the style sheet swaps rows and columns, so every node is placed by --m and --c alone.
export default function ({ data, parentElement, setTriggerValue }) {
  const map = parentElement.querySelector(".coverage");
  const { months, hours, volatilities, cells, current, tone, label } = data;
  const root = map.getRootNode();
  const focused = map.contains(root.activeElement) ? root.activeElement.dataset.place : null;
  map.setAttribute("aria-label", label);
  map.className = `coverage ${tone}`;
  map.style.setProperty("--months", months.length);
  map.style.setProperty("--columns", hours.length * volatilities.length);

  const nodes = [];
  months.forEach((name, m) => nodes.push(head("month", name, { m })));
  hours.forEach((name, h) => {
    nodes.push(head("hours", name, { c: h * volatilities.length }));
    volatilities.forEach((word, v) => nodes.push(head("volatility", word, { c: h * volatilities.length + v })));
  });
  nodes.push(...cells.map(cell));
  map.replaceChildren(...nodes);
  if (focused) map.querySelector(`[data-place="${focused}"]`)?.focus({ preventScroll: true });

  function head(kind, text, place) {
    const node = document.createElement("div");
    node.className = `head ${kind}`;
    node.textContent = text;
    for (const [name, value] of Object.entries(place)) node.style.setProperty(`--${name}`, value);
    return node;
  }

  function cell(item) {
    const node = document.createElement("button");
    const isCurrent = current && current.m === item.m && current.c === item.c;
    node.className = "cell";
    if (item.share === null) node.classList.add("empty");
    if (item.c % volatilities.length === 0) node.classList.add("first");
    node.dataset.place = `${item.m},${item.c}`;
    node.dataset.testid = "coverage-cell";
    node.title = item.title;
    node.textContent = item.text;
    node.setAttribute("aria-label", item.title);
    node.setAttribute("aria-pressed", String(Boolean(isCurrent)));
    node.style.setProperty("--m", item.m);
    node.style.setProperty("--c", item.c);
    node.style.setProperty("--share", item.share ?? 0);
    return node;
  }

  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  map.onclick = (event) => {
    const node = event.target.closest(".cell");
    if (!node) return;
    const [m, c] = node.dataset.place.split(",").map(Number);
    setTriggerValue("pick", { m, c });
  };
  map.onkeydown = (event) => {
    const node = event.target.closest(".cell"), step = steps[event.key];
    if (!node || !step) return;
    const [m, c] = node.dataset.place.split(",").map(Number);
    const lies = getComputedStyle(map).getPropertyValue("--lies").trim() === "1";
    const [dm, dc] = lies ? [step[1], step[0]] : step;
    map.querySelector(`[data-place="${m + dm},${c + dc}"]`)?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
}
