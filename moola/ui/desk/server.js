// The desk's HTTP: queue, window, context, operations, preferences, rule. Knows no state.

const HEADERS = { "Content-Type": "application/json", "X-Moola": "1" };
const READ_MS = 15000;

// What stands in the way, in a word for the sync line; `problem` is shown as it is.
class Unreachable extends Error {
  constructor(problem) {
    super(problem);
    this.problem = problem;
  }
}

export class Server {
  constructor(base, fetch) {
    this.base = base.replace(/\/$/, "");
    this.fetch = fetch;
  }

  async call(path, options, timeoutMs) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), timeoutMs);
    try {
      return await this.fetch(`${this.base}${path}`, { ...options, signal: stop.signal, cache: "no-store" });
    } catch {
      throw new Unreachable(stop.signal.aborted ? "server does not answer" : "server away");
    } finally {
      clearTimeout(timer);
    }
  }

  async read(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const text = given.length ? `?${new URLSearchParams(given)}` : "";
    const response = await this.call(path + text, {}, READ_MS);
    const isJson = response.headers.get("content-type")?.includes("json");
    const answer = isJson ? await response.json() : {};
    if (!response.ok || !isJson) throw Object.assign(new Unreachable(`server says ${response.status}`), { status: response.status, text: answer.error });
    return answer;
  }

  // Answers to operations. A request that the server cannot read (400, 422) is refused for good;
  // every other failure is tried again.
  async post(request, timeoutMs) {
    const response = await this.call("/ops", { method: "POST", headers: HEADERS, body: JSON.stringify(request) }, timeoutMs);
    if (response.ok) return response.json();
    const answer = await response.json().catch(() => ({}));
    if (response.status === 400 || response.status === 422) return { refused: answer.error ?? `The server refused this (${response.status}).` };
    throw new Unreachable(answer.error ?? `server says ${response.status}`);
  }

  leave(text) {
    this.fetch(`${this.base}/ops`, { method: "POST", headers: HEADERS, body: text, keepalive: true }).catch(() => {});
  }

  savePreferences(annotator, values) {
    const query = new URLSearchParams({ annotator });
    return this.call(`/preferences?${query}`, { method: "PUT", headers: HEADERS, body: JSON.stringify(values) }, READ_MS);
  }
}
