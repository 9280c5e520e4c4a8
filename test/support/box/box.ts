/** A second machine in a container: its own engine, Debian's own sshd_config, and nothing of this machine's engine in it. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { findProgram } from "../../../tools/host/path.mjs";
import { hostKeyOf, startLogin } from "./login.ts";
import {
  awaitEngine,
  buildMachineImage,
  docker,
  loadImages,
  MACHINE_IMAGE,
  MACHINE_RIGHTS,
} from "./machine.ts";
import { openSlowPort } from "./slow-port.ts";
import { freePort } from "../../../tools/host/free-port.ts";

/** The ports of the edge within the box. */
export const edgePorts = { http: 8080, https: 8443 } as const;

export interface Box {
  readonly sshPort: number;
  /** How long each piece of an SSH connection is under way from now on, in ms; a round trip takes twice as long. */
  delay(milliseconds: number): void;
  /** Where this machine reaches the box itself. */
  readonly address: string;
  /** Where this machine reaches the edge. */
  readonly http: string;
  readonly https: string;
  /** As /etc/ssh/ssh_host_ecdsa_key.pub has it, without its comment. */
  readonly hostKey: string;
  /** The private key that logs in. */
  readonly keyFile: string;
  /** The environment of an operator who has this key in an agent, aliases in ~/.ssh/config, and no engine. */
  readonly env: NodeJS.ProcessEnv;
  /** A script as root, in the box. */
  inside(script: string): string;
  /** Writes the operator's ~/.ssh/config. */
  configureSsh(text: string): void;
  /** Counts SSH connections while something is done. */
  counted<T>(work: () => Promise<T>): Promise<T & { readonly connections: Connections }>;
  remove(): void;
}

export interface Connections {
  readonly all: number;
  /** How many of them were there at the same time. */
  readonly atOnce: number;
}

/**
 * @param images of this machine's engine, which the box gets as if it had pulled them.
 * @param edge the ports of the edge within the box.
 */
export async function startBox(
  images: readonly string[],
  edge: { readonly http: number; readonly https: number } = edgePorts,
): Promise<Box> {
  const work = mkdtempSync(join(tmpdir(), "omniai-box-"));
  const name = `omniai-test-box-${process.pid}`;
  const inside = (script: string): string => docker("exec", name, "sh", "-c", script);
  buildMachineImage();
  const [sshd, httpPort, httpsPort] = [await freePort(), await freePort(), await freePort()];
  const ports = [
    [sshd, 22],
    [httpPort, edge.http],
    [httpsPort, edge.https],
  ].flatMap(([here, there]) => ["-p", `127.0.0.1:${here}:${there}`]);
  docker("run", "-d", "--init", "--name", name, ...MACHINE_RIGHTS, ...ports, MACHINE_IMAGE);
  const way = await openSlowPort(sshd);
  const login = await startLogin(work);
  login.letInto(name);
  inside("usermod -aG docker deploy");
  await awaitEngine(name);
  await loadImages(images, name);
  const config = join(work, "config");
  writeFileSync(config, "");
  const log = (): string => inside("cat /var/log/sshd.log");
  return {
    sshPort: way.port,
    delay: (milliseconds) => way.delay(milliseconds),
    address: docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name),
    http: `http://127.0.0.1:${httpPort}`,
    https: `https://127.0.0.1:${httpsPort}`,
    hostKey: hostKeyOf(name),
    keyFile: login.keyFile,
    env: {
      ...process.env,
      NO_COLOR: "1",
      // Nothing answers there: whatever asks another engine than the one in the box fails.
      DOCKER_HOST: `unix://${work}/no-engine-here.sock`,
      PATH: [operatorsPrograms(work, config), ...withoutEngine(work)].join(delimiter),
      ...login.env,
    },
    inside,
    configureSsh: (text) => writeFileSync(config, text),
    async counted(work) {
      const before = log().length;
      const result = await work();
      return Object.assign(result as object, {
        connections: countConnections(log().slice(before)),
      }) as Awaited<ReturnType<typeof work>> & { connections: Connections };
    },
    remove() {
      way.close();
      login.stop();
      spawnSync("docker", ["rm", "--force", "--volumes", name]);
      rmSync(work, { recursive: true, force: true });
    },
  };
}

/** `ssh` asks the password file for the home folder, so the operator's config is named for it. */
function operatorsPrograms(work: string, config: string): string {
  const folder = join(work, "bin");
  mkdirSync(folder);
  const ssh = join(folder, "ssh");
  writeFileSync(ssh, `#!/bin/sh\nexec '${findProgram("ssh", process.env)}' -F '${config}' "$@"\n`);
  chmodSync(ssh, 0o755);
  return folder;
}

/** PATH without an engine: of a folder that has one, everything else. */
function withoutEngine(work: string): string[] {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder, index) => {
    if (!existsSync(join(folder, "dockerd"))) return folder;
    const copy = join(work, `path-${index}`);
    mkdirSync(copy);
    for (const program of readdirSync(folder)) {
      if (program !== "dockerd") symlinkSync(join(folder, program), join(copy, program));
    }
    return copy;
  });
}

/** Pure: out of what sshd wrote while something was done. */
function countConnections(log: string): Connections {
  let [all, now, atOnce] = [0, 0, 0];
  for (const line of log.split("\n")) {
    if (line.startsWith("Accepted ")) {
      all++;
      atOnce = Math.max(atOnce, ++now);
    } else if (/^Disconnected from user /.test(line) || /^Connection closed by .* port \d+$/.test(line)) {
      now = Math.max(0, now - 1);
    }
  }
  return { all, atOnce };
}
