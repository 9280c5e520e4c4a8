/** For a workflow: who publishes the page of a stack. `node ops/commands/stack/page-source.ts STACK` prints `source=…`. */
import path from "node:path";
import { isOn, readSettings, textOf, type Values } from "../../stack/settings.ts";

/** `branch`: the program does, by commits. `workflow`: a workflow has to. `none`: there is no page. */
export const pageSource = (values: Values): string =>
  isOn(values, "pagesEnabled") ? (textOf(values, "pagesSource") ?? "branch") : "none";

if (process.argv[1] === import.meta.filename) {
  const root = path.join(import.meta.dirname, "../../..");
  const { values } = readSettings(root, process.argv[2] ?? "");
  console.log(`source=${pageSource(values)}`);
}
