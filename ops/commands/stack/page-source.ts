/**
 * For a workflow: who publishes the page of a stack. `node ops/commands/stack/page-source.ts STACK` prints `source=…`.
 */
import { ROOT } from "../../stack/place.ts";
import { readSettings, type KnownConfig } from "../../stack/settings.ts";

/** `branch`: the program does, by commits. `workflow`: a workflow has to. `none`: there is no page. */
export const pageSource = ({ pagesEnabled, pagesSource = "branch" }: KnownConfig): string =>
  pagesEnabled ? pagesSource : "none";

if (process.argv[1] === import.meta.filename)
  console.log(`source=${pageSource(readSettings(ROOT, process.argv[2] ?? "").config)}`);
