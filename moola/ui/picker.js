// A list to pick one row from: rows = [{id, title, detail, tone}], current = id, event pick {id}.
export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector(".picker");
  const { rows, current, label } = data;
  const root = list.getRootNode();
  const hadFocus = list.contains(root.activeElement);
  const scroll = list.dataset.rows === rows.map((r) => r.id).join() ? list.scrollTop : null;
  list.setAttribute("aria-label", label);
  list.replaceChildren(...rows.map((row) => option(row, row.id === current)));
  list.dataset.rows = rows.map((r) => r.id).join();
  list.style.setProperty("--rows", data.height);

  const selected = list.querySelector('[aria-selected="true"]');
  if (scroll !== null) list.scrollTop = scroll;
  if (selected) {
    // Not scrollIntoView: it would scroll the page as well.
    const top = selected.offsetTop - list.offsetTop, bottom = top + selected.offsetHeight;
    if (top < list.scrollTop || bottom > list.scrollTop + list.clientHeight) {
      list.scrollTop = top - list.clientHeight / 2 + selected.offsetHeight / 2;
    }
    if (hadFocus) selected.focus({ preventScroll: true });
  }

  function option(row, isCurrent) {
    const node = document.createElement("div");
    node.className = `row tone-${row.tone}`;
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", String(isCurrent));
    node.dataset.id = row.id;
    node.dataset.testid = "picker-row";
    node.tabIndex = isCurrent || (!rows.some((r) => r.id === current) && row === rows[0]) ? 0 : -1;
    for (const part of ["title", "detail"]) {
      const span = node.appendChild(document.createElement("span"));
      span.className = part;
      span.textContent = row[part];
    }
    return node;
  }

  const pick = (node) => node && setTriggerValue("pick", { id: node.dataset.id });
  list.onclick = (event) => pick(event.target.closest(".row"));
  list.onkeydown = (event) => {
    const row = event.target.closest(".row");
    if (!row) return;
    const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (event.key === "Enter" || event.key === " ") pick(row);
    else if (to) to.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}
