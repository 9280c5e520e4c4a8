/** Asks axe-core what of a page's present state would keep somebody from using it. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";

const SOURCE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** @param state what is being looked at, for the message. @throws AssertionError that lists everything that axe found. */
export async function isAccessible(page: Page, state: string): Promise<void> {
  // It is half a megabyte, and stays in the page until that is loaded anew.
  if (await page.evaluate("!globalThis.axe")) await page.evaluate(SOURCE);
  const found = await page.evaluate<Violation[]>("axe.run(document).then(({ violations }) => violations)");
  const told = found.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}\n  ${html}\n  ${failureSummary}`),
  );
  assert.deepEqual(told, [], state);
}
