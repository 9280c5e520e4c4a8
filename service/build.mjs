/**
 * Strips the types from src/ into dist/, for the image. Node can do it at every start too, but then keeps the stripper in
 * memory, 40 MiB for each replica. Positions stay the same, so stack traces fit the source.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join } from "node:path";

const from = join(import.meta.dirname, "src");
const to = join(import.meta.dirname, "dist");
for (const file of readdirSync(from, { recursive: true })) {
  const target = join(to, file.replace(/\.ts$/, ".js"));
  if (!/\.(ts|mjs)$/.test(file)) continue;
  mkdirSync(dirname(target), { recursive: true });
  if (file.endsWith(".mjs")) copyFileSync(join(from, file), target);
  else {
    const source = stripTypeScriptTypes(readFileSync(join(from, file), "utf8"));
    writeFileSync(target, source.replace(/((?:\bfrom\s+|\bimport\s*\(\s*)"\.[^"]*)\.ts"/g, '$1.js"'));
  }
}
