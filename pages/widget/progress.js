// How the request is, live.
import { h } from "./dom.js";
import { Form } from "./form.js";
import { moment } from "./words.js";

const TURNING = ["waiting", "dialling", "ringing", "answered"];

export class Progress {
  untouched = true;

  constructor(button) {
    this.button = button;
    const { say } = button;
    this.spinner = h("div.spinner", { "aria-hidden": "true" });
    this.text = h("p.text");
    this.error = h("p.error", { role: "alert", hidden: true });
    this.cancel = h("button.cancel", { type: "button", click: () => this.#cancel() }, say("cancel"));
    this.change = h("button.change", { type: "button", click: () => button.show(new Form(button, true)) }, say("change"));
    this.again = h("button.again", { type: "button", click: () => button.forget() }, say("again"));
    this.shut = h("button.primary", { type: "button", click: () => button.close() }, say("close"));
    this.body = [
      this.spinner,
      this.text,
      this.error,
      h("div.actions", {}, this.cancel, this.change, this.again, this.shut),
      button.reference && h("p.note", {}, say("reference", button.reference)),
    ].filter(Boolean);
    this.update();
  }

  update() {
    const { say, request, heading, lang_ } = this.button;
    const { state } = request;
    this.title = say(state) || request.text;
    const retry = state === "scheduled" && request.tries > 0;
    const at = new Date(request.due_at || request.slot_at || NaN);
    this.text.textContent = [
      isNaN(at) || state !== "scheduled" ? say(`${state}_text`, "") : say(retry ? "retry" : "scheduled_text", moment(lang_, at)),
      request.position > 0 && say("position", request.position),
      request.estimate_s > 0 && say("estimate", Math.ceil(request.estimate_s / 60)),
    ]
      .filter(Boolean)
      .join(" ");
    this.spinner.hidden = !TURNING.includes(state);
    const may = request.may_change || ["dialling", "ringing"].includes(state);
    const focused = this.button.shadowRoot.activeElement;
    this.cancel.hidden = request.final || !may;
    this.change.hidden = !request.may_change || !this.button.now?.offer.slots;
    this.again.hidden = !request.final || state === "done";
    this.shut.hidden = !request.final;
    if (this.button.view === this) {
      heading.textContent = this.title;
      this.button.announce(`${this.title} ${this.text.textContent}`);
      if (focused?.hidden) heading.focus();
    }
  }

  async #cancel() {
    const { button } = this;
    if (this.busy) return;
    this.busy = true;
    this.cancel.setAttribute("aria-disabled", true);
    this.error.hidden = true;
    try {
      button.request = await button.call(`${button.path}/request`, { method: "DELETE", ticket: button.ticket, signal: button.signal });
      button.tell("state", { state: button.request.state });
      this.update();
    } catch (error) {
      if (button.signal.aborted) return;
      this.error.textContent = error.text || button.say("e_network");
      this.error.hidden = false;
    }
    this.busy = false;
    this.cancel.removeAttribute("aria-disabled");
  }
}
