// Proof of work, as controller/web/public/work.py says: for each puzzle i, a text n such that
// SHA-256("<challenge>:<key>:<i>:<n>") begins with `bits` zero bits.
// SHA-256 is written out here (FIPS 180-4): crypto.subtle is asynchronous, far too slow for many small hashes, and
// absent from pages without https. No worker: a strict CSP of the page would keep it from starting.

const SLICE_MS = 10;
const DIGITS = 8;

const K = new Uint32Array(64);
const START = new Uint32Array(8);
for (let candidate = 2, found = 0; found < 64; candidate++) {
  let prime = true;
  for (let d = 2; d * d <= candidate; d++) if (candidate % d === 0) prime = false;
  if (!prime) continue;
  if (found < 8) START[found] = (candidate ** (1 / 2) % 1) * 2 ** 32;
  K[found++] = (candidate ** (1 / 3) % 1) * 2 ** 32;
}

const W = new Uint32Array(64);

/** Take the 64 bytes of `data` from `at` on into `state`. */
function compress(state, data, at) {
  for (let i = 0; i < 64; i++) {
    if (i < 16) {
      const j = at + 4 * i;
      W[i] = (data[j] << 24) | (data[j + 1] << 16) | (data[j + 2] << 8) | data[j + 3];
    } else {
      const x = W[i - 15];
      const y = W[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      W[i] = W[i - 16] + s0 + W[i - 7] + s1;
    }
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

/** Return a function that tells whether the candidate number `n` solves the puzzle whose text begins with `head`. */
function puzzle(head, bits) {
  const bytes = new TextEncoder().encode(head);
  const whole = bytes.length - (bytes.length % 64);
  const middle = START.slice();
  for (let at = 0; at < whole; at += 64) compress(middle, bytes, at);
  const from = bytes.length - whole;
  const end = from + DIGITS;
  const rest = new Uint8Array(end < 56 ? 64 : 128);
  rest.set(bytes.subarray(whole));
  rest[end] = 0x80;
  new DataView(rest.buffer).setUint32(rest.length - 4, (whole + end) * 8);
  const state = new Uint32Array(8);
  return (n) => {
    for (let i = end - 1; i >= from; i--, n = (n / 10) | 0) rest[i] = 48 + (n % 10);
    state.set(middle);
    for (let at = 0; at < rest.length; at += 64) compress(state, rest, at);
    return state[0] >>> (32 - bits) === 0;
  };
}

/**
 * Solve a challenge for one idempotency key, in slices between which the page goes on.
 * Resolves with the solution; rejects when `signal` is aborted.
 */
export async function solve({ challenge, bits, puzzles }, key, signal) {
  const found = [];
  let since = performance.now();
  for (let i = 0; i < puzzles; i++) {
    const solves = puzzle(`${challenge}:${key}:${i}:`, bits);
    let n = 0;
    while (!solves(n)) {
      if (++n % 256 === 0 && performance.now() - since > SLICE_MS) {
        await new Promise((go) => setTimeout(go));
        signal.throwIfAborted();
        since = performance.now();
      }
    }
    found.push(String(n).padStart(DIGITS, "0"));
  }
  return found.join(".");
}
