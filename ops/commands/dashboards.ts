/**
 * `npm run dashboards`: VictoriaMetrics' pages on a port of the operator's own machine. Each connection goes through a
 * program in its container, over the engine's own connection, so nothing is published and a remote host needs no port.
 */
import { createServer, type Socket } from "node:net";
import type Docker from "dockerode";
import { LEGEND_GROUP } from "../../infra/components/monitoring/dashboards.ts";
import { METRICS_PORT, METRICS_USER } from "../../infra/components/monitoring/plan.ts";
import { execIn } from "../engine/exec.ts";
import { requireMonitoring } from "../engine/monitoring.ts";
import { findPlace, type CommonOptions } from "../stack/place.ts";
import { openEngine } from "../stack/look.ts";
import { signals } from "../stack/this-process.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { paint, print } from "../terminal/output.ts";

export interface DashboardsOptions extends CommonOptions {
  readonly port: number;
}

export async function dashboards(options: DashboardsOptions): Promise<void> {
  const place = findPlace(options);
  const { docker } = await openEngine(place, options);
  const { metrics } = await requireMonitoring(docker, place.stack);
  const { output } = await execIn(docker, metrics, ["cat", "/run/omniai/password"]);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // A browser that goes away is no error of ours.
    socket.on("error", () => socket.destroy());
    connect(docker, metrics, socket).catch(() => socket.destroy());
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.on("error", (error: NodeJS.ErrnoException) =>
      reject(
        new OpsError(
          `Port ${options.port} cannot be listened on: ${error.message}`,
          "Give another one: --port NUMBER",
          exit.usage,
        ),
      ),
    );
    server.listen(options.port, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : options.port);
    });
  });
  const ended = new Promise<void>((resolve) => {
    signals.begin({
      title: "showing the dashboards",
      cancel: () => {
        server.close();
        for (const socket of sockets) socket.destroy();
        resolve();
      },
    });
  });
  const url = `http://127.0.0.1:${port}/vmui/#/dashboards?legend_group=${LEGEND_GROUP}`;
  print(`${paint("bold", url)} until Ctrl-C`);
  print(`  user ${METRICS_USER}, password ${output.trim()}`);
  await ended;
}

/** One connection of the browser to the server in the container. */
async function connect(docker: Docker, container: string, socket: Socket): Promise<void> {
  socket.pause();
  const exec = await docker.getContainer(container).exec({
    Cmd: ["nc", "127.0.0.1", String(METRICS_PORT)],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true });
  docker.modem.demuxStream(stream, socket, process.stderr);
  stream.on("end", () => socket.end());
  stream.on("error", () => socket.destroy());
  socket.on("close", () => stream.destroy());
  socket.pipe(stream);
}
