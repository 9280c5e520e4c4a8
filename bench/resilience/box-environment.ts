/** The environment of what is done to a stack on another machine: a box behind SSH, a round trip of 20 ms away. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageNames, readSettings } from "../../ops/stack/settings.ts";
import { startBox, type Box } from "../../test/support/box/box.ts";
import { startTeam, type Operator } from "../../test/support/box/operators.ts";
import type { CommandResult } from "../../test/support/stack.ts";
import { parseRows } from "./measure.ts";
import type { Environment } from "./scenario.ts";

export interface BoxEnvironment extends Environment {
  readonly box: Box;
  readonly operator: Operator;
  /** Runs a command of the stack. @throws Error with its output when it fails. */
  succeed(command: string, ...args: string[]): Promise<CommandResult>;
  /** Changes the service so that its image is built anew but behaves as before. */
  newVersion(): void;
  remove(): Promise<void>;
}

/** How long each piece of an SSH connection is under way, in ms. */
export const EACH_WAY_MS = 10;
const REPOSITORY = join(import.meta.dirname, "../..");

/** @param config what differs from the defaults. */
export async function createBoxEnvironment(
  stack: string,
  config: Readonly<Record<string, unknown>> = {},
): Promise<BoxEnvironment> {
  const state = mkdtempSync(join(tmpdir(), "omniai-box-state-"));
  mkdirSync(join(state, "state"));
  const box = await startBox(imageNames("dev", readSettings(REPOSITORY, "dev").config));
  const team = startTeam(box, stack, { PULUMI_BACKEND_URL: `file://${state}/state` });
  const operator = team.operator();
  operator.configure(config);
  box.delay(EACH_WAY_MS);
  let version = 0;
  const environment: BoxEnvironment = {
    box,
    operator,
    url: box.https,
    direct: () => Promise.resolve(`${box.address}:8443`),
    async succeed(command, ...args) {
      const result = await operator.run(command, ...args);
      if (result.code !== 0) throw new Error(`${command} failed:\n${result.output}`);
      return result;
    },
    newVersion() {
      version += 1;
      writeFileSync(
        join(operator.checkout, "service/src/build-marker.ts"),
        `export const marker = ${version};\n`,
      );
    },
    storedRows(run) {
      const statement = `SELECT client FROM client_reports WHERE client LIKE '${run}-%'`;
      const text = box.inside(
        `docker exec "$(docker ps -q --filter label=io.omniai.workload=postgres)" psql -X -At -U postgres -d omniai -c "${statement}"`,
      );
      return Promise.resolve(parseRows(text, run));
    },
    // To look twice a second would be work for the machine that is measured.
    watch: () => ({ stop: () => [] }),
    restore: () => undefined,
    async remove() {
      await operator.run("down", "--delete-data", "--yes");
      team.remove();
      box.remove();
      rmSync(state, { recursive: true, force: true });
    },
  };
  await environment.succeed("host", "--yes");
  await environment.succeed("up", "--yes");
  return environment;
}
