// rappel.js: the call-back button for any page. How to include it: docs/click-to-call.md.
import { RappelButton } from "./button.js";

const script = document.currentScript;
const TAG = "rappel-button";

RappelButton.base = new URL(script?.dataset.base || ".", script?.src || location.href).href;
if (!customElements.get(TAG)) customElements.define(TAG, RappelButton);

/**
 * `<script data-site=…>` alone puts a button into the page's corner; with `data-into` into the element that it selects.
 * A site whose theme says `inline` has it where the script stands.
 */
function mount() {
  const { into, base, ...data } = script.dataset;
  const button = document.createElement(TAG);
  for (const [name, value] of Object.entries(data)) button.setAttribute(name, value);
  button.toggleAttribute("float", !into);
  if (into) document.querySelector(into)?.append(button);
  else if (script.closest("body")) script.after(button);
  else document.body.append(button);
}

if (script?.dataset.site) {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mount);
  else mount();
}
