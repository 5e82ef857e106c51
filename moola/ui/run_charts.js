// The charts and tiles of a run: fetched on news and drawn in place, without a rerun of the page.
// data = {run, rows, span, plotly, cameras: {figure: plotly's options}}.
const ROWS = [["loss", "gradient"], ["tiles"], ["skill", "raw"], ["metrics"], ["lr", "boosts", "sigmas"]];
const CHOOSES = ["loss", "gradient", "skill"]; // a click on an epoch of these opens the closer look
const RETRY_MS = 1000;

let loading = null; // one script for all pages of this tab
function loadPlotly(url) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => done(window.Plotly);
    script.onerror = () => {
      loading = null;
      script.remove();
      failed(new Error("plotly could not be loaded"));
    };
    document.head.append(script);
  });
  return loading;
}

// Streamlit's theme of plotly; the three greys are the only colours a component is not told.
function themeOf(host) {
  const style = getComputedStyle(host);
  const css = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const paper = css("background-color");
  const [grid, soft, strong] = isDark(paper)
    ? ["#31333F", "#e6eaf1", "#fafafa"]
    : ["#e6eaf1", "#808495", "#262730"];
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const small = 0.75 * rem, medium = 0.875 * rem;
  const family = css("font");
  const axis = {
    gridcolor: grid, zerolinecolor: grid, tickcolor: grid, minor: { gridcolor: grid }, automargin: true,
    tickfont: { color: soft, size: small },
  };
  const title = (standoff) => ({ font: { color: soft, size: medium }, standoff: standoff * rem });
  return {
    font: { color: soft, family, size: small, weight: 400 },
    title: {
      font: { family: css("heading-font") || family, size: rem, color: css("heading-color") },
      pad: { l: 0.25 * rem }, xanchor: "left", x: 0,
    },
    legend: { valign: "top", bordercolor: "transparent", borderwidth: 0, font: { size: small, color: strong } },
    paper_bgcolor: paper,
    plot_bgcolor: paper,
    xaxis: { ...axis, showgrid: false, zeroline: false, title: title(1.25) },
    yaxis: { ...axis, ticklabelposition: "outside", title: title(1.5) },
    margin: { pad: 0.5 * rem, r: 0, l: 0 },
    hoverlabel: { bgcolor: paper, bordercolor: css("border-color"), font: { color: soft, family, size: small } },
  };
}

function isDark(color) {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  pen.fillStyle = color;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
  return 0.299 * r + 0.587 * g + 0.114 * b < 128;
}

class Charts {
  constructor(host) {
    this.host = host;
    this.shown = null; // what the figures on the screen were made of
    this.onNews = ({ detail }) => {
      if (!this.host.isConnected) return this.end();
      if (detail.run === this.data.run && detail.rows !== this.answer?.rows) this.fetch();
    };
    this.onTheme = () => setTimeout(() => this.draw(), 300);
    document.addEventListener("moola-news", this.onNews);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.onTheme);
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(host);
  }

  update(data, trigger) {
    const isOther = !this.data || this.data.run !== data.run || this.data.span !== data.span;
    this.data = data;
    this.trigger = trigger;
    if (isOther || this.answer?.rows !== data.rows) this.fetch();
    else this.draw(); // the theme may be another
  }

  // Only the newest request counts.
  async fetch() {
    this.stop?.abort();
    const stop = (this.stop = new AbortController());
    const { run, span, plotly } = this.data;
    try {
      const asked = new URLSearchParams({ run, span });
      const options = { signal: stop.signal, cache: "no-store" };
      const [answer] = await Promise.all([
        fetch(`/monitor/figures?${asked}`, options).then((got) => {
          if (!got.ok) throw new Error(got.status);
          return got.json();
        }),
        loadPlotly(plotly),
      ]);
      if (stop.signal.aborted || !this.host.isConnected) return;
      this.answer = answer;
      this.draw();
    } catch {
      if (!stop.signal.aborted && this.host.isConnected) setTimeout(() => this.retry(stop), RETRY_MS);
    }
  }

  retry(stop) {
    if (this.stop === stop) this.fetch();
  }

  async draw() {
    if (!this.answer || !this.host.isConnected) return;
    const { share, tiles, figures } = this.answer;
    const theme = themeOf(this.host);
    const key = JSON.stringify([theme, this.answer.rows, this.data.run, this.data.span]);
    if (key === this.shown) return;
    this.shown = key;
    this.lay();
    this.tell(share);
    this.find("tiles").replaceChildren(...tiles.map(tileOf));
    const names = ROWS.flat().filter((name) => name !== "tiles");
    for (const name of names) this.find(name).hidden = !figures[name]; // the others get its room
    for (const name of names.filter((name) => figures[name])) {
      this.plot(name, figures[name], theme);
      // A chart a frame: the first is seen before the last is drawn.
      await new Promise(requestAnimationFrame);
      if (this.shown !== key || !this.host.isConnected) return; // there is something newer to draw
    }
  }

  // Build the frame once; charts stay the same elements, so that nothing blinks.
  lay() {
    if (this.host.firstChild) return;
    const share = element("div", "share");
    const rows = ROWS.map((names) => {
      if (names[0] === "tiles") return part("tiles", "tiles");
      const row = element("div", "row");
      row.append(...names.map((name) => part("chart", name)));
      return row;
    });
    this.host.replaceChildren(share, ...rows);
  }

  find(name) {
    return this.host.querySelector(`[data-part="${name}"]`);
  }

  tell(share) {
    const line = this.host.querySelector(".share");
    if (!share) return line.replaceChildren();
    const chip = element("span", `chip ${share.is_inside ? "met" : "warn"}`);
    chip.textContent = share.is_inside ? "in the band" : "outside the band";
    line.replaceChildren(`${share.before} `, chip, ` ${share.after}`);
  }

  plot(name, figure, theme) {
    const place = this.find(name);
    const { title, ...rest } = figure.layout;
    const layout = { ...rest, template: { layout: theme }, title: { ...title, text: `<b>${title.text}</b>` } };
    // Its place has the width that the page gives it; plotly would keep that of the last drawing.
    layout.width = Math.floor(place.clientWidth);
    window.Plotly.react(place, figure.data, layout, this.data.cameras[name]);
    if (CHOOSES.includes(name) && !place.chooses) {
      place.chooses = true;
      place.on("plotly_click", ({ points }) => {
        if (points.length) this.trigger("epoch", Math.round(points[0].x));
      });
    }
  }

  fit() {
    cancelAnimationFrame(this.fitting);
    this.fitting = requestAnimationFrame(() => {
      for (const place of this.host.querySelectorAll(".js-plotly-plot")) {
        const width = Math.floor(place.clientWidth);
        if (width && width !== place.layout.width) window.Plotly.relayout(place, { width });
      }
    });
  }

  end() {
    this.stop?.abort();
    this.resized.disconnect();
    this.scheme.removeEventListener("change", this.onTheme);
    document.removeEventListener("moola-news", this.onNews);
    for (const place of this.host.querySelectorAll(".js-plotly-plot")) window.Plotly.purge(place);
  }
}

function element(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

function part(kind, name) {
  const made = element("div", kind);
  made.dataset.part = name;
  return made;
}

function tileOf({ name, value, interval, target, verdict }) {
  const tile = element("div", "tile");
  tile.append(element("div", "name", name), element("div", "value", value));
  if (interval) {
    const found = element("div", "interval", interval);
    found.title = "95 % interval over the held-out windows";
    tile.append(found);
  }
  const chip = element("span", `chip ${verdict === "met" ? "met" : ""}`, target);
  chip.title = verdict;
  tile.append(chip);
  return tile;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".run-charts");
  host.charts ??= new Charts(host);
  host.charts.update(data, setTriggerValue);
  return () => {
    if (!host.isConnected) host.charts.end();
  };
}
