/** `npm run outputs`: what the stack hands out, secrets masked. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { print, printJson, table } from "../terminal/output.ts";
import { openSession, type CommonOptions } from "../stack/session.ts";

export interface OutputsOptions extends CommonOptions {
  readonly showSecrets?: boolean;
}

export const MASK = "[secret]";

/** Pure: plain values, secrets masked unless asked for. */
export const visible = (outputs: OutputMap, showSecrets: boolean): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(outputs).map(([key, { value, secret }]) => [
      key,
      secret && !showSecrets ? MASK : (value as unknown),
    ]),
  );

export async function outputs(options: OutputsOptions): Promise<void> {
  const { handle } = await openSession(options, { create: false, onlyLooking: true });
  const values = visible(await handle.state.outputs(), options.showSecrets === true);
  if (options.json) return printJson(values);
  const rows = Object.entries(values).map(([key, value]) => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  for (const line of table(rows, "")) print(line);
}
