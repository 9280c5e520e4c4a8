/**
 * Strips the types from src/ into dist/, for the image. Node can do it at every start too, but then keeps the stripper in
 * memory, 40 MiB for each replica. Positions stay the same, so stack traces fit the source.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join } from "node:path";

const FROM = join(import.meta.dirname, "src");
const TO = join(import.meta.dirname, "dist");
for (const file of readdirSync(FROM, { recursive: true })) {
  const target = join(TO, file.replace(/\.ts$/, ".js"));
  if (!/\.(ts|mjs)$/.test(file)) continue;
  mkdirSync(dirname(target), { recursive: true });
  if (file.endsWith(".mjs")) copyFileSync(join(FROM, file), target);
  else {
    const source = stripTypeScriptTypes(readFileSync(join(FROM, file), "utf8"));
    writeFileSync(target, source.replace(/((?:\bfrom\s+|\bimport\s*\(\s*)"\.[^"]*)\.ts"/g, '$1.js"'));
  }
}
