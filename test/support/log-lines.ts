/** The log store of a test stack: what is in it, and lines put into it as the agent does. */
import { strict as assert } from "node:assert";
import { LOGS_PORT } from "../../infra/components/monitoring/plan.ts";
import { execIn } from "../../ops/engine/exec.ts";
import { docker, type TestStack } from "./stack.ts";

async function ask(stack: TestStack, path: string, header: string, BODY: string): Promise<string> {
  const [store = ""] = await stack.containers("victoria-logs");
  const script = `exec wget -q -O - --header "${header}" --post-data "$BODY" "http://127.0.0.1:${LOGS_PORT}${path}"`;
  const { exitCode, output } = await execIn(docker, store, ["sh", "-c", script], { env: { BODY } });
  assert.equal(exitCode, 0, output);
  return output;
}

/** Every line of every container, each with all that is kept of it, as JSON. */
export const allLines = async (stack: TestStack): Promise<string[]> =>
  (
    await ask(
      stack,
      "/select/logsql/query",
      "content-type: application/x-www-form-urlencoded",
      `query=${encodeURIComponent("_time:1d *")}`,
    )
  )
    .trimEnd()
    .split("\n");

/** Puts lines into the store as if containers had just written them, each of a container of its own. */
export async function pushLines(
  stack: TestStack,
  lines: readonly { readonly workload: string; readonly line: string }[],
): Promise<void> {
  const now = new Date().toISOString();
  const body = lines.map(({ workload, line }, at) =>
    JSON.stringify({
      ...{ _time: now, _msg: `${line}\n`, file: `/targets/links/${workload}.1.case-${at}.log` },
    }),
  );
  await ask(
    stack,
    "/insert/jsonline?_stream_fields=file",
    "content-type: application/stream+json",
    body.join("\n"),
  );
}
