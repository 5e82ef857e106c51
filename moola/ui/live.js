// Waits for news of the runs and has the page redrawn:
// data = {run, states, rows, judged, pulse, redraw_ms}. What draws new rows by itself hears of them
// by the event "moola-news".
const RETRY_MS = 1000, LOST_MS = 6000, OLD_S = 10;
const SEEN = ["states", "rows", "judged"];

class Live {
  constructor(host) {
    this.host = host;
    this.drawnAt = 0;
    this.asked = 0; // when the page was asked to redraw itself
    this.stop = null;
    this.clock = setInterval(() => this.tell(), 1000);
    this.onShown = () => this.wait();
    document.addEventListener("visibilitychange", this.onShown);
  }

  update(data, trigger) {
    const isOther = !this.data || ["run", ...SEEN].some((k) => this.data[k] !== data[k]);
    this.data = data;
    this.trigger = trigger;
    this.asked = 0;
    if (isOther) {
      this.see(data);
      this.drawnAt = performance.now();
    }
    this.feel(data.pulse);
    if (isOther || !this.stop) this.wait();
  }

  see(news) {
    this.seen = Object.fromEntries(SEEN.map((name) => [name, news[name]]));
  }

  // One request at a time; a new one ends the old.
  async wait() {
    this.stop?.abort();
    this.stop = null;
    if (document.hidden || !this.host.isConnected) return;
    const stop = (this.stop = new AbortController());
    while (!stop.signal.aborted && this.host.isConnected) {
      try {
        const { run } = this.data;
        const asked = new URLSearchParams({ run: run ?? "", ...this.seen });
        const answer = await fetch(`/monitor/wait?${asked}`, { signal: stop.signal, cache: "no-store" });
        if (!answer.ok) throw new Error(answer.status);
        this.take(await answer.json());
      } catch {
        await new Promise((done) => setTimeout(done, RETRY_MS));
      }
    }
  }

  take(news) {
    this.feel(news.pulse);
    this.see(news);
    const { run } = this.data;
    document.dispatchEvent(new CustomEvent("moola-news", { detail: { run, ...this.seen } }));
    const isUrgent = news.states !== this.data.states || news.judged !== this.data.judged;
    clearTimeout(this.timer);
    if (!isUrgent && news.rows === this.data.rows) return;
    const due = isUrgent ? 0 : Math.max(0, this.drawnAt + this.data.redraw_ms - performance.now());
    this.timer = setTimeout(() => this.redraw(), due);
  }

  redraw() {
    if (!this.host.isConnected) return;
    this.drawnAt = this.asked = performance.now();
    this.trigger("news", Object.values(this.seen).join(" "));
  }

  feel(pulse) {
    this.pulse = pulse;
    this.felt = performance.now();
    this.tell();
  }

  tell() {
    if (!this.host.isConnected) return this.end();
    // A page that was busy may have lost the request.
    if (this.asked && performance.now() - this.asked > LOST_MS) this.redraw();
    const { pulse } = this;
    if (!pulse) return this.host.replaceChildren();
    if (!this.host.firstChild) {
      this.host.innerHTML =
        '<div class="words"><span class="text"></span><span class="age"></span></div>' +
        '<div class="bar"><div class="done"></div></div>';
    }
    const find = (name) => this.host.querySelector(name);
    const age = pulse.age_s === null ? null : pulse.age_s + (performance.now() - this.felt) / 1000;
    find(".text").textContent = pulse.text;
    find(".done").style.width = `${100 * pulse.fraction}%`;
    find(".age").textContent = age === null ? "" : `last sign of life ${Math.round(age)} s ago`;
    find(".age").classList.toggle("old", age !== null && age > OLD_S);
  }

  end() {
    clearInterval(this.clock);
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onShown);
    this.stop?.abort();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".live");
  host.follower ??= new Live(host);
  host.follower.update(data, setTriggerValue);
  return () => {
    if (!host.isConnected) host.follower.end();
  };
}
