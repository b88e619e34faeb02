// Talking from the page: the microphone is checked, then the call, its keypad and how good the line is.
// The voice itself is rappel-voice.js (pages/voice), loaded on the visitor's click.
import { h } from "./dom.js";
import { Form } from "./form.js";
import { talk as words } from "./messages.json";

const KEYS = [..."123456789*0#"];
const GOOD = 4;

export class Talk {
  untouched = false;
  #call;
  #microphone;
  #over = false;

  /** From `form`, which does the work; `ticket` fetches what lets this call in, once. */
  constructor(button, form, ticket) {
    this.button = button;
    this.keeps = form;
    this.ticket = ticket;
    this.words = words[button.lang_];
    const { words: say } = this;
    this.title = button.say("talk");
    this.text = h("p.text");
    this.level = h("meter.level", { min: 0, max: 1, value: 0, "aria-label": say.microphone });
    this.line = h("p.note.quality", { hidden: true });
    this.start = h("button.primary", { type: "button", hidden: true, click: () => this.#begin() }, say.start);
    this.mute = h(
      "button.mute",
      {
        type: "button",
        hidden: true,
        "aria-pressed": "false",
        click: () => {
          const muted = this.mute.getAttribute("aria-pressed") !== "true";
          this.mute.setAttribute("aria-pressed", muted);
          this.#call.mute(muted);
        },
      },
      say.mute,
    );
    this.hangup = h("button.hangup", { type: "button", hidden: true, click: () => this.#call.hangup() }, say.hangup);
    this.instead = h("button.instead", { type: "button", click: () => button.show(new Form(button)) }, say.instead);
    this.pad = h(
      "div.keypad",
      { role: "group", "aria-label": say.keypad, hidden: true },
      KEYS.map((key) => h("button.key", { type: "button", click: () => this.#call.dtmf(key) }, key)),
    );
    this.body = [
      this.text,
      this.level,
      this.line,
      this.pad,
      h("div.actions", {}, this.start, this.mute, this.hangup, this.instead),
    ];
    this.#check();
  }

  end() {
    this.#over = true;
    this.keeps.end();
    this.#call?.hangup();
    this.#microphone?.close();
  }

  async #check() {
    const { button, words: say } = this;
    this.#tell(button.say("loading"));
    try {
      await import(`${button.base}rappel-voice.js`);
    } catch {
      return this.#tell(button.say("e_network"));
    }
    try {
      this.#microphone = await globalThis.RappelVoice.openMicrophone({
        language: button.lang_,
        onLevel: (level) => (this.level.value = level),
      });
    } catch (error) {
      return this.#tell(error.text || say.no_microphone);
    }
    if (this.#over) return this.#microphone.close();
    this.#tell(say.check);
    this.start.hidden = false;
    this.start.focus();
  }

  #begin() {
    const { button, words: say } = this;
    this.start.hidden = this.instead.hidden = true;
    this.hangup.hidden = false;
    this.hangup.focus();
    this.#call = globalThis.RappelVoice.startCall({
      base: button.base.replace(/\/$/, ""),
      ticket: async () => (await this.ticket()).ticket,
      microphone: this.#microphone,
      language: button.lang_,
      onState: (state, detail) => this.#state(state, detail),
      onLevel: (level) => (this.level.value = level),
      onQuality: ({ score }) => {
        this.line.hidden = false;
        this.line.textContent = `${"●".repeat(score)}${"○".repeat(GOOD - score)} ${say.quality.replace("{0}", score)}`;
      },
    });
  }

  #state(state, detail) {
    const { button, words: say } = this;
    button.tell("talk", { state });
    const over = state === "ended" || state === "failed";
    const talking = state === "talking";
    this.#tell(detail?.text || say[state] || "");
    if (over && this.#over) return;
    this.mute.hidden = this.pad.hidden = !talking;
    this.hangup.hidden = over;
    this.level.hidden = this.line.hidden = over;
    this.instead.hidden = !over;
    if (over) this.instead.focus();
  }

  #tell(text) {
    this.text.textContent = text;
    this.button.announce(text);
  }
}
