// Builds editor.js and all that it uses into the portal's static files, with one file of all licences.
import { build } from "esbuild";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const vendor = join(here, "../../src/commensal/portal/static/vendor");
const result = await build({
  entryPoints: [join(here, "editor.js")],
  absWorkingDir: here,
  outfile: join(vendor, "editor.min.js"),
  bundle: true, minify: true, format: "iife", globalName: "CommensalEditor", target: "es2022",
  legalComments: "none", charset: "utf8", metafile: true,
  define: { "process.env.NODE_ENV": '"production"' },
});

const used = new Set();
for (const path of Object.keys(result.metafile.inputs)) {
  const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
  if (found) used.add(found[1]);
}
const texts = [...used].sort().map((name) => {
  const folder = join(here, "node_modules", name);
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  if (!file) throw new Error(`${name} has no licence file`);
  return `${about.name} ${about.version} (${about.license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
});
writeFileSync(join(vendor, "editor.LICENSE"), texts.join(`\n${"-".repeat(80)}\n\n`));
console.log([...used].sort().join(", "));
