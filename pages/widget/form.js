// The form: number, when, consent. Work is done while the visitor writes.
import { h } from "./dom.js";
import { Progress } from "./progress.js";
import { Refusal } from "./refusal.js";
import { Talk } from "./talk.js";
import { day, time, zone } from "./words.js";
import { solve } from "./work.js";

const WORK_MARGIN_MS = 30_000;
const RETRIED = /^(work_|key_reused)/;

export class Form {
  untouched = true;
  #busy = false;
  #fields = {};
  #life = new AbortController();

  /** `change`: another time for the request that stands, nothing else is asked. */
  constructor(button, change = false) {
    this.button = button;
    this.change = change;
    this.title = button.say(change ? "change" : "title");
    this.kind = this.#kind();
    this.body = [change ? this.#drawChange() : this.kind ? this.#drawTalk() : this.#draw()];
    if (!change) this.#prepare();
  }

  end() {
    this.#life.abort();
  }

  /** What is offered has changed. */
  offer() {
    if (this.untouched && !this.change && this.kind !== this.#kind()) this.button.show(new Form(this.button));
    else if (!this.#busy && this.times) this.#drawTimes();
    if (this.talk) this.talk.hidden = !this.button.now?.offer.voice;
  }

  /** "voice" or "none" where no call-back is offered, else "". */
  #kind() {
    const show = this.button.now?.offer.show;
    return show === "voice" || show === "none" ? show : "";
  }

  #draw() {
    const { say, now } = this.button;
    const { site } = now;
    const names = new Intl.DisplayNames(this.button.lang_, { type: "region" });
    const guess = navigator.language.slice(3).toUpperCase();
    const chosen = site.countries.includes(guess) ? guess : site.country;
    this.country = h(
      "select.country",
      { "aria-label": say("country"), autocomplete: "country" },
      site.countries.map((code) => h("option", { value: code, selected: code === chosen }, names.of(code))),
    );
    this.number = h("input.number", { type: "tel", id: "n", autocomplete: "tel", required: true, maxlength: 64 });
    this.name = h("input.name", { id: "a", autocomplete: "name", maxlength: 80 });
    this.reason = h("input.reason", { id: "r", maxlength: 500, autocomplete: "off" });
    this.times = h("div");
    this.consent = h("input", { type: "checkbox", required: true });
    this.send = h("button.primary", { type: "submit" }, say("send"));
    this.first = this.number;
    const optional = ` (${say("optional")})`;
    const form = h(
      "form",
      { novalidate: true, submit: (event) => this.#submit(event), input: (event) => this.#touched(event.target) },
      this.#field(
        "number",
        h("label.label", { for: "n" }, say("number")),
        site.countries.length > 1 ? h("div.pair", {}, this.country, this.number) : this.number,
      ),
      this.times,
      this.#field("name", h("label.label", { for: "a" }, say("name"), h("span.note", {}, optional)), this.name),
      this.#field("reason", h("label.label", { for: "r" }, say("reason"), h("span.note", {}, optional)), this.reason),
      site.consent && this.#field("consent", h("label.choice", {}, this.consent, h("span.note.consent", {}, site.consent))),
      this.#error("form"),
      h("div.actions", {}, this.send, this.#talk()),
      this.#foot(),
    );
    this.#drawTimes();
    return form;
  }

  #drawChange() {
    const { say } = this.button;
    this.times = h("div");
    this.send = h("button.primary", { type: "submit" }, say("change"));
    const back = h("button", { type: "button", click: () => this.button.show(new Progress(this.button)) }, say("keep"));
    this.#drawTimes();
    return h(
      "form",
      { novalidate: true, submit: (event) => this.#submit(event) },
      this.times,
      this.#error("form"),
      h("div.actions", {}, this.send, back),
    );
  }

  /** Now, as soon as somebody is free, or a time: what is offered at the moment; a choice that is still there stays. */
  #drawTimes() {
    const { say, now } = this.button;
    const offer = now?.offer || {};
    const ways = ["now", "asap", "slot"].filter((way) => offer[way === "slot" ? "slots" : way]);
    if (ways.join() === this.ways) return;
    this.ways = ways.join();
    const before = this.when?.();
    const wait = offer.estimate_s && Math.ceil(offer.estimate_s / 60);
    const labels = { now: say("now"), asap: wait ? say("asap_wait", wait) : say("asap"), slot: say("slot") };
    const chosen = ways.includes(before) ? before : ways[0];
    const radios = ways.map((way) =>
      h("input", { type: "radio", name: "when", value: way, checked: way === chosen, change: () => this.#chooseTime() }),
    );
    this.when = () => radios.find((radio) => radio.checked)?.value;
    this.slot = h("div.slots");
    this.times.replaceChildren(
      this.#field(
        "slot",
        h(
          "fieldset.field",
          { hidden: ways.length === 1 && chosen === "now" },
          h("legend", {}, say("when")),
          radios.map((radio) => h("label.choice", {}, radio, labels[radio.value])),
        ),
        this.slot,
        !ways.length && h("p", {}, say("closed")),
      ),
    );
    this.#chooseTime();
  }

  async #chooseTime() {
    const { say, call, path, lang_ } = this.button;
    if (this.when() !== "slot") return this.slot.replaceChildren();
    if (this.slot.firstChild) return;
    this.slot.replaceChildren(h("p.note", {}, say("loading")));
    const mine = zone();
    let answer;
    try {
      answer = await call(`${path}/slots?zone=${encodeURIComponent(mine)}`, { signal: this.#life.signal });
    } catch (error) {
      if (!this.#life.signal.aborted) this.#refuse("slot", error);
      return this.slot.replaceChildren();
    }
    const days = new Map();
    for (const slot of answer.slots) {
      const at = new Date(slot.at);
      const name = day(lang_, at, "short");
      days.set(name, [...(days.get(name) || []), h("option", { value: slot.at }, time(lang_, at))]);
    }
    if (!days.size) return this.slot.replaceChildren(h("p", {}, say("no_slots")));
    this.at = h("select.time", { id: "h" });
    const choose = h(
      "select.day",
      { id: "d", change: () => this.at.replaceChildren(...days.get(choose.value)) },
      [...days.keys()].map((name) => h("option", { value: name }, name)),
    );
    this.at.replaceChildren(...days.get(choose.value));
    this.slot.replaceChildren(
      h(
        "div.pair",
        {},
        h("div.days", {}, h("label.label", { for: "d" }, say("day")), choose),
        h("div.hours", {}, h("label.label", { for: "h" }, say("time")), this.at),
      ),
      h("p.note", {}, say("zone", answer.zone)),
    );
  }

  /** Talking from the page, where that is offered and can work. */
  #talk() {
    const { button } = this;
    if (!navigator.mediaDevices) return null;
    const ticket = () =>
      this.#worked((work, key) =>
        button.call(`${button.path}/voice`, {
          method: "POST",
          body: { ...this.#about(), ...work },
          key,
          signal: button.signal,
        }),
      );
    const hidden = !button.now.offer.voice;
    const click = () => button.show(new Talk(button, this, ticket));
    return (this.talk = h("button.talk", { type: "button", hidden, click }, button.say("talk")));
  }

  /** Nothing but talking is offered, or nothing at all. */
  #drawTalk() {
    const talk = this.#talk();
    const can = talk && !talk.hidden;
    if (can) this.first = talk;
    return h("div", {}, h("p", {}, this.button.say(can ? "talk_text" : "closed")), h("div.actions", {}, talk), this.#foot());
  }

  /** The other ways; a hosted page says them itself. */
  #foot() {
    const { say, now } = this.button;
    const { privacy, telephone } = now.site;
    if (this.button.hasAttribute("inline")) return null;
    return h(
      "p.note",
      {},
      link(privacy, say("privacy")),
      privacy && telephone && " · ",
      telephone && say("or_call", ""),
      link(`tel:${telephone.replaceAll(" ", "")}`, telephone),
    );
  }

  #field(name, ...children) {
    return h("div.field", {}, ...children, this.#error(name));
  }

  #error(name) {
    return (this.#fields[name] = h("p.error", { role: "alert", id: `e-${name}`, hidden: true }));
  }

  #inputs(name) {
    return { number: this.number, consent: this.consent, slot: this.at }[name];
  }

  /** Show why it does not go on beside what must be changed, and go there. */
  #refuse(name, error) {
    const { say } = this.button;
    const text = [
      error.code === "network" ? say("e_network") : error.text || say("e_other"),
      error.retry > 0 && say("e_wait", Math.ceil(error.retry / 60)),
    ];
    const place = this.#fields[name];
    place.textContent = text.filter(Boolean).join(" ");
    place.hidden = false;
    const input = this.#inputs(name);
    input?.setAttribute("aria-invalid", "true");
    input?.setAttribute("aria-describedby", place.id);
    (input || this.send).focus();
  }

  /** Take back what was said of the fields, or of the one that is being changed. */
  #clear(changed) {
    for (const [name, place] of Object.entries(this.#fields)) {
      const input = this.#inputs(name);
      if (changed && changed !== input) continue;
      place.hidden = true;
      input?.removeAttribute("aria-invalid");
      input?.removeAttribute("aria-describedby");
    }
  }

  #touched(input) {
    this.untouched = false;
    this.#clear(input);
  }

  /** A new idempotency key, and the work that belongs to it. */
  #prepare() {
    const { call, path } = this.button;
    const { signal } = this.#life;
    const key = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
    const work = call(`${path}/challenge`, { signal }).then(async (task) => ({
      work: { challenge: task.challenge, solution: await solve(task, key, signal) },
      until: performance.now() + task.expires_s * 1000 - WORK_MARGIN_MS,
    }));
    work.catch(() => {});
    this.work = { key, work };
  }

  /** Do what asks for work, and once more with new work where the old is no good any more. */
  async #worked(act) {
    for (let again = true; ; again = false) {
      let done = await this.work.work.catch(() => null);
      if (!done || done.until < performance.now()) {
        this.#prepare();
        done = await this.work.work;
      }
      try {
        return await act({ work: done.work }, this.work.key);
      } catch (error) {
        if (!again || !RETRIED.test(error.code)) throw error;
        this.#prepare();
      }
    }
  }

  async #submit(event) {
    event.preventDefault();
    if (this.#busy) return;
    const { button } = this;
    const { say } = button;
    this.#clear();
    const when = this.when();
    if (this.number && !/\d/.test(this.number.value.normalize("NFKC"))) return this.#refuse("number", new Refusal("", say("e_number")));
    if (when === "slot" && !this.at?.value) return this.#refuse("slot", new Refusal("", say("e_slot")));
    if (this.consent?.isConnected && !this.consent.checked) return this.#refuse("consent", new Refusal("", say("e_consent")));
    const slot_at = when === "slot" ? this.at.value : undefined;
    this.#wait(true);
    try {
      if (this.change) {
        const request = await button.call(`${button.path}/request`, { method: "PATCH", ticket: button.ticket, body: { when, slot_at }, signal: button.signal });
        button.request = request;
        button.show(new Progress(button));
      } else {
        const answers = { ...this.#answers(), when, slot_at };
        const taken = await this.#worked((work, key) =>
          button.call(`${button.path}/requests`, { method: "POST", body: { ...answers, ...work }, key, signal: button.signal }),
        );
        button.take(taken.ticket, taken.request, taken.reference);
        button.tell("request", { when, campaign: answers.campaign, medium: answers.medium });
        if (button.dialog.open) button.show(new Progress(button));
        else this.end();
      }
    } catch (error) {
      if (this.#life.signal.aborted) return;
      this.#wait(false);
      const name = /^(number|not_callable)/.test(error.code) ? "number" : error.code?.match(/^(slot|consent)/)?.[0] || "form";
      this.#refuse(name, error);
      if (name === "slot") this.slot.replaceChildren();
      // What was offered, or agreed to, is so no longer.
      if (error.code?.match(/^(not_now|closed|slot|consent|mode)/)) button.watch.look(true);
    }
  }

  #wait(busy) {
    this.#busy = busy;
    this.send.setAttribute("aria-disabled", busy);
    this.send.textContent = this.button.say(busy ? "sending" : this.change ? "change" : "send");
    if (busy) this.button.announce(this.send.textContent);
  }

  /** What a request says beside its number. */
  #answers() {
    return {
      ...this.#about(),
      number: this.number.value,
      country: this.country.value,
      zone: zone(),
      consent: this.consent.checked ? this.button.now.site.consent_version : "",
    };
  }

  /** Who asks, and where they came from: of the address no more than its path, since queries hold what is personal. */
  #about() {
    const { button } = this;
    const query = new URLSearchParams(location.search);
    const from = (most, name, ...keys) =>
      (button.getAttribute(name) || keys.map((key) => query.get(key)).find(Boolean) || "").slice(0, most);
    return {
      language: button.lang_,
      name: this.name?.value,
      reason: this.reason?.value,
      reference: from(60, "reference"),
      page: (location.origin + location.pathname).slice(0, 2000),
      campaign: from(80, "campaign", "utm_campaign"),
      medium: from(40, "medium", "utm_medium", "utm_source"),
      referrer: document.referrer.split(/[?#]/)[0].slice(0, 2000),
    };
  }
}

const link = (href, text) =>
  text &&
  /^(https?|tel):./.test(href) &&
  h("a.link", { href, target: href[0] === "h" && "_blank", rel: "noopener" }, text);
