// rappel-dial.js: click-to-dial for a CRM or an intranet. A click on a tel: link asks Rappel to call the agent's own
// telephone and then the number. How to include it: docs/click-to-call.md.
//
// The page's own server speaks to Rappel, with its API token and for the agent who is signed in to the CRM; no token
// is ever in a page. This script posts {number, reference} to `data-dial` (an address of the page's own origin), whose
// server posts to Rappel's /v1/calls. Until an answer is there, the same number is not asked for again.
import messages from "./messages.json";

const { dial, within = "body", language = document.documentElement.lang } = document.currentScript.dataset;
const say = messages[language.slice(0, 2).toLowerCase()] || messages.en;
const LIMIT_MS = 15_000;
const SHOWN_MS = 8_000;
const NUMBER = /^tel:([+\d][\d\s().-]{2,30})$/i;
const pending = new Set();
let note;

/** Tell the agent, and whoever listens, what became of it. */
function tell(link, state, text, detail = {}) {
  const event = new CustomEvent("rappel-dial", { bubbles: true, cancelable: true, detail: { state, ...detail } });
  if (!link.dispatchEvent(event)) return;
  if (!note?.isConnected) {
    note = document.createElement("output");
    note.className = "rappel-dial";
    note.setAttribute("role", "status");
    Object.assign(note.style, {
      position: "fixed",
      insetInlineEnd: "16px",
      bottom: "16px",
      zIndex: 2147483000,
      maxWidth: "24em",
      padding: "0.8em 1em",
      borderRadius: "8px",
      background: "#1c2430",
      color: "#fff",
      font: "15px/1.4 system-ui, sans-serif",
    });
    document.body.append(note);
  }
  note.textContent = text;
  clearTimeout(note.timer);
  note.timer = setTimeout(() => note.remove(), SHOWN_MS);
}

async function call(link, number) {
  if (pending.has(number)) return;
  pending.add(number);
  link.setAttribute("aria-busy", "true");
  tell(link, "asked", say.asked.replace("{0}", number), { number });
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), LIMIT_MS);
  try {
    const key = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
    const response = await fetch(new URL(dial, location.href), {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": key },
      body: JSON.stringify({ number, reference: link.dataset.reference || "" }),
      credentials: "same-origin",
      signal: stop.signal,
    });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) tell(link, "calling", say.calling, { number, answer });
    else tell(link, "refused", [answer.detail || say.refused, answer.advice].filter(Boolean).join(" "), { number });
  } catch {
    tell(link, "failed", say.failed, { number });
  } finally {
    clearTimeout(timer);
    pending.delete(number);
    link.removeAttribute("aria-busy");
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="tel:" i]');
  if (!link?.closest(within) || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey) return;
  const number = decodeURIComponent(link.getAttribute("href")).match(NUMBER)?.[1];
  if (!number) return;
  event.preventDefault();
  call(link, number.trim());
});
