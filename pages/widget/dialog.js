// rappel-dialog.js: what the dialog shows. The button loads it when a visitor turns to it.
export { default as css } from "./dialog.css";
export { Form } from "./form.js";
export { Progress } from "./progress.js";
export { dialog as words } from "./messages.json";
