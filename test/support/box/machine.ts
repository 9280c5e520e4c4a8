/** What every machine in a container has: its image, the rights of the engine in it, and images of this machine's engine. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { eventually } from "../http.ts";

export const MACHINE_IMAGE = "omniai-test-box";

export const docker = (...args: string[]): string =>
  execFileSync("docker", args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 2 ** 28,
  }).trim();

export const buildMachineImage = (): string =>
  docker("build", "--quiet", "--network", "host", "--tag", MACHINE_IMAGE, import.meta.dirname);

/**
 * What the engine in the machine needs. It is not privileged, because that asks for every capability of this machine, and some
 * machines lack one.
 */
export const MACHINE_RIGHTS = [
  ...["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"].flatMap((right) => ["--cap-add", right]),
  ...["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"].flatMap((option) => [
    "--security-opt",
    option,
  ]),
  "--device-cgroup-rule",
  "a *:* rwm",
];

export const awaitEngine = (machine: string): Promise<true> =>
  eventually(
    `an engine in ${machine}`,
    60,
    () => spawnSync("docker", ["exec", machine, "docker", "info"]).status === 0,
  );

/** Passes images on, from this machine's engine to the one in another. */
export async function loadImages(images: readonly string[], machine: string): Promise<void> {
  const save = spawn("docker", ["save", ...images], { stdio: ["ignore", "pipe", "inherit"] });
  const into = spawn("docker", ["exec", "-i", machine, "docker", "load", "--quiet"], {
    stdio: [save.stdout, "ignore", "inherit"],
  });
  const code = await new Promise((resolve, reject) => into.on("error", reject).on("close", resolve));
  if (code !== 0) throw new Error(`${machine} did not take the images ${images.join(", ")}`);
}
