/** `npm run outputs`: the stack's outputs, secrets masked unless they are asked for. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import type { CommonOptions } from "../stack/place.ts";
import { openSession } from "../stack/session.ts";
import { print, printJson, table } from "../terminal/output.ts";

export interface OutputsOptions extends CommonOptions {
  readonly showSecrets?: boolean;
}

const MASK = "[secret]";

/** Pure: plain values, secrets masked unless they are asked for. */
export const visibleValues = (outputs: OutputMap, showSecrets: boolean): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(outputs).map(([key, { value, secret }]) => [
      key,
      secret && !showSecrets ? MASK : (value as unknown),
    ]),
  );

export async function showOutputs(options: OutputsOptions): Promise<void> {
  const { handle } = await openSession(options, { create: false, onlyLooking: true });
  const values = visibleValues(await handle.state.outputs(), options.showSecrets === true);
  if (options.json) return printJson(values);
  const rows = Object.entries(values).map(([key, value]) => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  for (const line of table(rows, "")) print(line);
}
