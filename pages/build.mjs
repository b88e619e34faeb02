// Builds what pages include, from the sources here into controller/web/assets: `make pages`.
// The built files are committed and ship in the wheel: running and testing Rappel needs no Node. A test compares the
// digest in each file's first line with its sources.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = join(HERE, "../controller/web/assets");

/** What is built: the folder of the sources, its entry, the file made of it. */
const BUNDLES = [
  { folder: "widget", entry: "main.js", file: "rappel.js", format: "iife" },
  { folder: "widget", entry: "dialog.js", file: "rappel-dialog.js", format: "esm" },
  { folder: "dial", entry: "main.js", file: "rappel-dial.js", format: "iife" },
];

/** The digest of every file of a folder, as tests/unit/web/test_scripts.py computes it too. */
function digest(folder) {
  const hash = createHash("sha256");
  const files = readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => relative(folder, path).replaceAll("\\", "/"))
    .sort();
  for (const name of files) {
    hash.update(`${name}\0`);
    hash.update(readFileSync(join(folder, name)));
    hash.update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

const styles = {
  name: "styles",
  setup(api) {
    api.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

for (const { folder, entry, file, format } of BUNDLES) {
  const source = join(HERE, folder);
  await build({
    entryPoints: [join(source, entry)],
    outfile: join(OUT, file),
    bundle: true,
    minify: true,
    charset: "utf8",
    format,
    target: "es2022",
    legalComments: "none",
    plugins: [styles],
    banner: { js: `/* Rappel, Apache-2.0. Sources: pages/${folder} ${digest(source)} */` },
  });
  const size = statSync(join(OUT, file)).size;
  writeFileSync(1, `${file}: ${size} bytes\n`);
}
