// <rappel-button site="…">: a button and its dialog in a shadow tree, which the page's styles and scripts do not reach.
import { client, follow } from "./api.js";
import { h } from "./dom.js";
import css from "./button.css";
import { button as messages } from "./messages.json";
import { watch } from "./sites.js";
import { language } from "./words.js";

const KEYS = ["keydown", "keyup", "keypress"];
const LABELS = { slot: "call_slot", voice: "call_voice" };
const NEAR = ["pointerenter", "focus"];
const DARK = matchMedia("(prefers-color-scheme: dark)");
const sheets = new Map();
const loads = new Map();

/** The style sheet of a text; a constructed one needs no leave of the page's CSP. */
function sheet(text) {
  if (!sheets.has(text)) sheets.set(text, new CSSStyleSheet());
  sheets.get(text).replaceSync(text);
  return sheets.get(text);
}

/** Load what the dialog shows, once; a load that failed is tried again at the next call. */
function load(base) {
  if (!loads.has(base)) {
    const loading = import(`${base}rappel-dialog.js`);
    loading.catch(() => loads.delete(base));
    loads.set(base, loading);
  }
  return loads.get(base);
}

export class RappelButton extends HTMLElement {
  /** Where Rappel's server is; ends with a slash. */
  static base;
  #life;

  /** Return the words of `key` with its gaps {0}, {1} filled; "" when there are none. */
  say = (key, ...gaps) => (this.words[key] || "").replace(/\{(\d)\}/g, (_, i) => gaps[i]);

  connectedCallback() {
    if (this.#life) return this.#lift();
    this.#life = new AbortController();
    this.signal = this.#life.signal;
    this.site = this.getAttribute("site") || "";
    const base = this.getAttribute("base");
    this.base = base ? new URL(base, location.href).href.replace(/\/?$/, "/") : RappelButton.base;
    const around = this.closest("[lang]")?.lang;
    this.lang_ = language(messages, this.getAttribute("language"), around, navigator.language);
    this.words = { ...messages[this.lang_] };
    this.call = client(this.base, this.lang_);
    this.path = `sites/${encodeURIComponent(this.site)}`;
    this.now = null;
    this.#draw();
    this.watch = watch(this.base, this.site, this.lang_, (now) => this.#offer(now));
    this.#resume();
  }

  disconnectedCallback() {
    // Moving an element takes it out and puts it back at once: that must not end anything.
    queueMicrotask(() => {
      if (this.isConnected || !this.#life) return;
      this.#life.abort();
      this.#life = null;
      this.watch.stop();
      this.shadowRoot.replaceChildren();
    });
  }

  /** Show the dialog, as a click on the button does. */
  async open() {
    if (this.opening || this.dialog.open || (!this.now && !this.ticket)) return;
    this.opening = true;
    try {
      const { Form, Progress, css: style, words } = await load(this.base);
      if (!this.isConnected) return;
      this.words = { ...words[this.lang_], ...this.words };
      this.start = () => this.show(this.ticket ? new Progress(this) : new Form(this));
      this.shadowRoot.adoptedStyleSheets = [sheet(css), sheet(style)];
      if (this.hasAttribute("inline")) this.dialog.show();
      else this.dialog.showModal();
      this.tell("open");
      this.start();
    } catch (error) {
      console.warn("rappel:", error);
      this.button.textContent = this.say("e_network");
      this.announce(this.button.textContent);
    } finally {
      this.opening = false;
    }
  }

  close() {
    this.dialog.close();
  }

  /** Put a view into the dialog: it has `title`, `body` (elements), and perhaps `first` to focus, `end()`, and a view it `keeps`. */
  show(view) {
    if (this.view !== view.keeps) this.view?.end?.();
    this.view = view;
    this.heading.textContent = view.title;
    this.main.replaceChildren(...view.body);
    if (!this.hasAttribute("inline") || this.shadowRoot.activeElement) (view.first || this.heading).focus();
  }

  /** Say something to people who do not see it. */
  announce(text) {
    const place = this.dialog.open ? this.status : this.outside;
    if (place.textContent !== text) place.textContent = text;
  }

  /** Tell the page what happens: never a number, a name or a ticket. */
  tell(what, detail = {}) {
    this.dispatchEvent(
      new CustomEvent(`rappel-${what}`, { bubbles: true, composed: true, detail: { site: this.site, ...detail } }),
    );
  }

  /** A request stands: follow it, here and on the site's next page that this tab shows. */
  take(ticket, request, reference = "") {
    this.ticket = ticket;
    this.reference = reference;
    store(this, JSON.stringify({ ticket, reference }));
    this.#told(request);
    this.following = new AbortController();
    this.signal.addEventListener("abort", () => this.following.abort());
    follow(this.call, `${this.path}/request/events`, ticket, this.following.signal, (view) => {
      if (view) this.#told(view);
      else this.forget();
    });
  }

  /** The request is over, or gone: the button offers a new one. */
  forget() {
    this.following?.abort();
    this.ticket = this.request = null;
    store(this, null);
    this.#label();
    if (this.dialog.open && this.view?.update) this.start();
  }

  #told(request) {
    const before = this.request?.state;
    this.request = request;
    if (request.final) store(this, null);
    this.view?.update?.();
    if (request.state !== before) this.tell("state", { state: request.state });
    this.#label();
  }

  #draw() {
    const root = this.shadowRoot || this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet(css)];
    this.button = h("button.open", { type: "button", hidden: true, "aria-haspopup": "dialog", click: () => this.open() });
    for (const kind of NEAR) this.button.addEventListener(kind, () => load(this.base).catch(() => {}));
    this.heading = h("h2.title", { id: "t", tabindex: -1 });
    this.main = h("div.main");
    this.status = h("div.hidden", { role: "status" });
    this.outside = h("div.hidden", { role: "status" });
    const close = h("button.close", { type: "button", "aria-label": this.say("close"), click: () => this.close() }, "✕");
    this.dialog = h("dialog.dialog", { "aria-labelledby": "t", close: () => this.#closed() }, this.heading, this.main, close, this.status);
    // A click beside the dialog closes it while nothing is written in it yet.
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog && this.view?.untouched) this.close();
    });
    const all = h("div.root", { lang: this.lang_ }, this.button, this.dialog, this.outside);
    // The page's own shortcuts are not for what is written here.
    for (const kind of KEYS) all.addEventListener(kind, (event) => event.stopPropagation());
    this.probe = h("i.probe", { hidden: true });
    root.replaceChildren(all, this.probe);
    this.#lift();
    this.#shade();
    DARK.addEventListener("change", () => this.#shade(), { signal: this.signal });
  }

  /** Into the top layer, where no transformed or filtered body of the page's takes a fixed button along. */
  #lift() {
    const root = this.shadowRoot.firstChild;
    if (!this.hasAttribute("float") || !root.showPopover) return;
    root.popover = "manual";
    root.showPopover();
  }

  /** The site's theme, as far as the page says nothing else. */
  #dress({ colour, text_colour, radius, position, scheme }) {
    const { style } = this.shadowRoot.firstChild;
    style.setProperty("--site-accent", colour);
    style.setProperty("--site-on-accent", text_colour);
    style.setProperty("--site-radius", `${radius}px`);
    this.toggleAttribute("left", position === "left");
    if (position === "inline" && this.hasAttribute("float")) {
      this.removeAttribute("float");
      this.shadowRoot.firstChild.removeAttribute("popover");
    }
    this.scheme = scheme;
    this.#shade();
  }

  /** Dark where the visitor wants it so and the page can be dark; page and site may also say which. */
  #shade() {
    const wanted = this.getAttribute("theme") || this.scheme || "auto";
    // The probe's system colour is light where the page, by its style or its meta element, is dark now: white in
    // Chromium, nearly white in Firefox.
    const light = getComputedStyle(this.probe).color.match(/\d+/)[0] > 127;
    const dark = wanted === "auto" ? light : wanted === "dark";
    this.shadowRoot.firstChild.classList.toggle("dark", dark);
  }

  #offer(now) {
    this.now = now;
    const seen = !this.button.hidden;
    this.#label();
    if (!seen && !this.button.hidden) {
      this.tell("shown", { show: now?.offer.show });
      if (location.hash === "#rappel" && this.hasAttribute("float")) this.open();
    }
    if (now) this.#dress(now.site.theme);
    if (this.hasAttribute("inline") && now) this.open();
    this.view?.offer?.();
  }

  #label() {
    const { ticket, request, now, button } = this;
    const pending = ticket && request && !request.final;
    button.hidden = this.hasAttribute("inline") || (!pending && (now?.offer.show || "none") === "none");
    button.textContent = pending
      ? this.say("pending", this.say(request.state) || request.text)
      : this.getAttribute("label") || this.say(LABELS[now?.offer.show] || "call_now");
    if (pending && !this.dialog.open) this.announce(button.textContent);
  }

  #closed() {
    this.view?.end?.();
    this.view = null;
    this.main.replaceChildren();
    if (this.request?.final) this.forget();
    this.tell("close");
    this.button.focus();
  }

  #resume() {
    const linked = this.hasAttribute("inline") && location.hash.match(/^#ticket=([\w-]+)$/);
    if (linked) {
      // A link to a request: in the fragment, which no server sees, and out of the address and the history at once.
      history.replaceState(history.state, "", location.pathname + location.search);
      return this.take(linked[1], { state: "waiting", text: "" });
    }
    try {
      const kept = JSON.parse(sessionStorage.getItem(`rappel ${this.site}`));
      if (kept?.ticket) this.take(kept.ticket, { state: "waiting", text: "" }, kept.reference);
    } catch {
      // Storage is off: the request is known to this page alone.
    }
  }
}

/** Keep the ticket for this tab, once the visitor has agreed and asked; nothing is kept before. */
function store(button, text) {
  try {
    if (text) sessionStorage.setItem(`rappel ${button.site}`, text);
    else sessionStorage.removeItem(`rappel ${button.site}`);
  } catch {
    // As above.
  }
}
