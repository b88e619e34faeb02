// The public endpoints of Rappel's server, docs/click-to-call.md. No cookies; tickets travel in a header.

import { Refusal } from "./refusal.js";

const LIMIT_MS = 15_000;
const STREAM_PAUSE_MS = 1_000;
const STREAM_PAUSE_MOST_MS = 20_000;

/** Return what asks the server at `base` (ends with a slash), and wants its answers in `lang`. */
export function client(base, lang) {
  /** Send one request; returns the answer's JSON. Rejects with a `Refusal`, or with the signal's reason. */
  return async function call(path, { method = "GET", body, ticket, key, signal, raw } = {}) {
    const headers = { "Accept-Language": lang, Accept: raw ? "text/event-stream" : "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    if (ticket) headers.Authorization = `Ticket ${ticket}`;
    if (key) headers["Idempotency-Key"] = key;
    const stop = new AbortController();
    const abort = () => stop.abort();
    signal.addEventListener("abort", abort);
    const timer = setTimeout(abort, LIMIT_MS);
    try {
      const response = await fetch(`${base}public/v1/${path}`, {
        method,
        headers,
        body: body && JSON.stringify(body),
        credentials: "omit",
        referrerPolicy: "no-referrer",
        cache: "no-store",
        signal: raw ? signal : stop.signal,
      });
      if (raw && response.ok) return response;
      const answer = await response.json().catch(() => ({}));
      if (!response.ok) {
        throw new Refusal(
          answer.code || `http_${response.status}`,
          [answer.detail, answer.advice].filter(Boolean).join(" "),
          Number(response.headers.get("Retry-After")) || 0,
        );
      }
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof Refusal ? error : new Refusal("network");
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  };
}

/** Tell `tell` how the request of `ticket` is, at every change, until it is over or `signal` is aborted; null: it is gone. */
export async function follow(call, path, ticket, signal, tell) {
  let pause = STREAM_PAUSE_MS;
  while (!signal.aborted) {
    try {
      const response = await call(path, { ticket, signal, raw: true });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        pause = STREAM_PAUSE_MS;
        const parts = (text + value).split(/\r?\n\r?\n/);
        text = parts.pop();
        for (const part of parts) {
          const data = part.match(/^data: ?(.*)$/m);
          if (!data) continue;
          const view = JSON.parse(data[1]);
          tell(view);
          if (view.final) return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (/unknown|^http_40[134]/.test(error.code)) return tell(null);
    }
    await new Promise((go) => setTimeout(go, pause));
    pause = Math.min(2 * pause, STREAM_PAUSE_MOST_MS);
  }
}
