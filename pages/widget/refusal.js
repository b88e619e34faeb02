/** A refusal of the server's: `code` and `text` of its problem document, `retry` in seconds (0: not said). */
export class Refusal extends Error {
  constructor(code, text = "", retry = 0) {
    super(text);
    Object.assign(this, { code, text, retry });
  }
}
