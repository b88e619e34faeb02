// What each site's pages may offer now. All buttons of a page share one watch per site and language.
import { client } from "./api.js";

const EVERY_MS = 30_000;
const MOST_MS = 300_000;

const watches = new Map();

/**
 * Call `tell` with `{site, offer}` at once and at every change: the form's texts, and what may be offered; `null` while
 * the server cannot be asked. Returns the watch, whose `stop()` ends it and `look()` asks at once.
 */
export function watch(base, name, lang, tell) {
  const id = `${base} ${name} ${lang}`;
  if (!watches.has(id)) watches.set(id, new Watch(base, name, lang, () => watches.delete(id)));
  return watches.get(id).join(tell);
}

class Watch {
  #told = new Set();
  #life = new AbortController();
  #call;
  #path;
  #timer;
  #pause = EVERY_MS;
  #last;
  #site;
  #end;

  constructor(base, name, lang, end) {
    this.#call = client(base, lang);
    this.#path = `sites/${encodeURIComponent(name)}`;
    this.#end = end;
    document.addEventListener("visibilitychange", () => document.hidden || this.#look(), { signal: this.#life.signal });
    this.#look();
  }

  join(tell) {
    this.#told.add(tell);
    if (this.#last !== undefined) tell(this.#last);
    return {
      look: (fresh) => this.#look(fresh),
      stop: () => {
        this.#told.delete(tell);
        if (this.#told.size) return;
        this.#life.abort();
        clearTimeout(this.#timer);
        this.#end();
      },
    };
  }

  /** Ask, tell, and come back later; `fresh`: the texts too. A hidden page asks nothing until it is seen again. */
  async #look(fresh) {
    clearTimeout(this.#timer);
    const { signal } = this.#life;
    let next = null;
    const hiccup = this.#pause === EVERY_MS && this.#last;
    try {
      if (fresh || !this.#site) this.#site = await this.#call(this.#path, { signal });
      next = { site: this.#site, offer: await this.#call(`${this.#path}/availability`, { signal }) };
      this.#pause = EVERY_MS;
    } catch {
      if (signal.aborted) return;
      if (hiccup) next = this.#last; // one answer that is lost makes no button come and go
      this.#pause = Math.min(2 * this.#pause, MOST_MS);
    }
    this.#last = next;
    for (const tell of [...this.#told]) tell(next);
    clearTimeout(this.#timer);
    if (!document.hidden) this.#timer = setTimeout(() => this.#look(), this.#pause * (0.9 + 0.2 * Math.random()));
  }
}
