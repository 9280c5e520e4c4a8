/** The gate of a room, with the files that the stack renders. */
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dataFolderOf } from "../../../infra/components/database/version.ts";
import { GATE, planGate, renderGate } from "../../../infra/components/offsite/offsite.ts";
import { docker, POSTGRES } from "./engine.ts";

export interface GatePlace {
  readonly image: string;
  /** Of the container; one that is there gives way. */
  readonly name: string;
  /** The room's network. */
  readonly inside: string;
  /** The network with what it leads to. */
  readonly outside: string;
  /** A folder of the test's own on this machine, for the gate's files. */
  readonly folder: string;
}

/** @param to as `renderGate` takes it. */
export async function openGate(
  { image, name, inside, outside, folder }: GatePlace,
  ...to: Parameters<typeof renderGate>
): Promise<void> {
  await docker("rm", "--force", name).catch(() => undefined);
  const files = mkdtempSync(join(folder, "gate-"));
  for (const [path, { content }] of Object.entries(renderGate(...to)))
    writeFileSync(join(files, path), content, { mode: 0o644 });
  // The gate's user is another one.
  chmodSync(files, 0o755);
  const { entrypoint, command, user, tmpfs, health } = planGate({
    engine: undefined as never,
    image,
    folder: dataFolderOf(POSTGRES),
    networks: [],
    files: { volumeName: "", hash: "" },
  });
  await docker(
    ...["run", "-d", "--init", "--name", name, "--network", outside, "--read-only", "--user", user],
    ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "32m", "--pids-limit", "64"],
    ...Object.entries(tmpfs ?? {}).flatMap(([path, options]) => ["--tmpfs", `${path}:${options}`]),
    ...["-v", `${files}:/run/secrets:ro`, "--entrypoint", entrypoint?.[0] ?? "", image, ...(command ?? [])],
  );
  await docker("network", "connect", "--alias", GATE, inside, name);
  const listens = health.command.map((part) => `"${part}"`).join(" ");
  await docker(
    "exec",
    name,
    "sh",
    "-c",
    `for i in $(seq 600); do ${listens} && exit 0; sleep 0.1; done; exit 1`,
  );
}
