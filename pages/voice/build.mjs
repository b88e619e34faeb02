// Builds rappel-voice.js, what a page loads when a visitor wants to talk from it: `node build.mjs [file]`.
// It holds JsSIP and so is not in the repository: `rappel setup`, `rappel run` and the Docker image build it, and the
// wheel carries it. The first line names the digest of these sources; the last lines are the licences of what is in it.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = resolve(process.argv[2] ?? join(HERE, "../../controller/web/assets/rappel-voice.js"));
const SOURCES = /^(?!package\.json$).*\.(js|mjs|json)$/;

/** The digest of the sources, as controller/runtime/voicebundle.py computes it too. */
function digest() {
  const hash = createHash("sha256");
  for (const name of readdirSync(HERE).sort()) {
    if (!SOURCES.test(name)) continue;
    hash.update(`${name}\0`);
    hash.update(readFileSync(join(HERE, name)));
    hash.update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

/** The licence of every package that is in the bundle. */
function licences(inputs) {
  const packages = new Set();
  for (const path of inputs) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
    if (found) packages.add(found[1]);
  }
  return [...packages].sort().map((name) => {
    const folder = join(HERE, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
    if (!file) throw new Error(`${name} brings no licence text; it cannot be shipped`);
    const text = readFileSync(join(folder, file), "utf8").trim().replaceAll("*/", "* /");
    return `${name} ${version} (${license})\n\n${text}`;
  });
}

const { outputFiles, metafile } = await build({
  absWorkingDir: HERE,
  entryPoints: ["main.js"],
  bundle: true,
  write: false,
  metafile: true,
  minify: true,
  charset: "utf8",
  format: "iife",
  target: "es2020",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
});
const notices = licences(Object.keys(metafile.inputs)).map((text) => `/*!\n${text}\n*/`).join("\n");
const text = `/* Rappel, Apache-2.0, with the packages named at the end. Sources: pages/voice ${digest()} */\n${outputFiles[0].text}${notices}\n`;
mkdirSync(dirname(OUT), { recursive: true });
writeFileSync(`${OUT}.part`, text);
renameSync(`${OUT}.part`, OUT);
writeFileSync(1, `${OUT}: ${statSync(OUT).size} bytes, ${gzipSync(text).length} compressed\n`);
