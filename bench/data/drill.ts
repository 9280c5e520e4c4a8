/** How soon a stack is back after the loss of its host: what a drill measures, which rebuilds it from its copies off-site alone. */
import type { DrillReport } from "../../ops/commands/drill/drill.ts";
import { freePort } from "../../tools/host/free-port.ts";
import { ACCESS_KEY, BUCKET, BucketServer, SECRET_KEY } from "../../test/support/backup-room/bucket.ts";
import { POSTGRES } from "../../test/support/backup-room/engine.ts";
import { setSecret } from "../../test/support/stack-secrets.ts";
import type { Row } from "../report.ts";
import { createStackEnvironment } from "../resilience/stack-environment.ts";
import type { Bar } from "../service/chart.ts";
import { fillWithPgbench } from "./pgbench.ts";
import { settle } from "./settle.ts";

/** The dev stack with 1 GB is to be back after so many seconds, on two cores. */
const PROMISED = 300;

export interface Drilled {
  readonly rows: readonly Row[];
  /** For the chart: how long each part took, in seconds. */
  readonly phases: readonly Bar[];
}

export async function measureDrill(gigabytes: number): Promise<Drilled> {
  const name = `data-drill-${process.pid}`;
  const space = 512 * Math.max(1, Math.ceil(gigabytes));
  const port = await freePort();
  const { server, endpoint } = await BucketServer.createAlone(POSTGRES, `omniai-${name}`, port, space);
  const offsite = { offsiteBucket: `${endpoint}/${BUCKET}`, offsiteAccessKeyId: ACCESS_KEY };
  const environment = await createStackEnvironment(name, offsite);
  const { stack } = environment;
  try {
    await environment.succeed("backup", "key");
    setSecret(stack, "omniai:offsiteSecretKey", SECRET_KEY);
    await environment.succeed("up", "--yes");
    await fillWithPgbench(`omniai-${name}-postgres`, gigabytes);
    await settle(stack);
    await environment.succeed("backup");
    const report = JSON.parse((await environment.succeed("drill", "--json")).stdout) as DrillReport;
    const { rto, rpo, phases, rows, tables } = report;
    const seconds = Object.entries(phases);
    const detail = `${rows} rows in ${tables} tables; ${seconds.map(([phase, value]) => `${phase} ${value.toFixed(0)}`).join(", ")} s`;
    return {
      rows: [
        { what: "the host is gone: RTO of a drill", unit: "s", values: [rto], limit: PROMISED, detail },
        {
          what: "the host is gone: RPO of that drill, the age of the newest copy",
          unit: "s",
          values: [rpo],
          detail: "a copy is sent every 10 minutes, and was sent by hand just before",
        },
      ],
      phases: seconds.map(([label, value]) => ({ label, value })),
    };
  } finally {
    await environment.remove();
    await server.remove();
  }
}
