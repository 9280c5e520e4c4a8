/** debian:trixie-slim, the base of every stand-in: pulled where a registry answers, else made with debootstrap. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { aptInstall, hasApt, refreshLists } from "../../host/apt.ts";
import type { DockerCli } from "../../host/docker-cli.ts";
import { ToolchainError, type ToolchainContext } from "../../host/part.ts";
import { findProgram, systemPath } from "../../host/path.mjs";
import { isAlive } from "../../host/process.mjs";
import { indent, run } from "../../host/run.ts";
import { hashFolder } from "../hash.ts";
import { machineMirrors } from "./mirrors.ts";
import {
  keptName,
  LABEL,
  LABEL_NAME,
  LABEL_PACKAGES,
  LABEL_VERSION,
  lookUp,
  standInHash,
  takeKept,
} from "./present.ts";
import { recipeFolder } from "./recipes.ts";

export const BASE = "debian:trixie-slim";
const SUITE = "trixie";
export const BASE_LACKS = ["nothing that is known; it also trusts the authorities that this machine trusts"];

/** Where Debian keeps the authorities that a machine's owner added. build-rootfs.sh copies them into the image. */
const OWN_AUTHORITIES = "/usr/local/share/ca-certificates";

export function baseHash(): string {
  const authorities = existsSync(OWN_AUTHORITIES) ? hashFolder(OWN_AUTHORITIES, {}) : "none";
  return hashFolder(recipeFolder("debian"), { authorities });
}

/**
 * Provides the base on the engine and returns the name to build on. An official image that is there is used. Our own is
 * named by its hash, because another checkout may give the official name to its own base meanwhile.
 */
export async function ensureBase(context: ToolchainContext, docker: DockerCli): Promise<string> {
  const present = await lookUp(docker, BASE);
  const hash = baseHash();
  if (present !== undefined) {
    const made = standInHash(present, "debian");
    if (made === undefined) return BASE;
  }
  if (await takeKept(docker, "debian", hash, BASE, () => true)) return keptName("debian", hash);
  await buildBase(context, docker, hash);
  return keptName("debian", hash);
}

async function buildBase(context: ToolchainContext, docker: DockerCli, hash: string): Promise<void> {
  await ensureDebootstrap(context);
  const work = join(context.cacheDir, "images");
  mkdirSync(work, { recursive: true });
  await clearLeftovers(work);
  const target = join(work, `rootfs-${process.pid}`);
  const { main = "", security = "" } = await machineMirrors(context.env);
  try {
    await context.report.step(`Making ${BASE} with debootstrap`, async (progress) => {
      const script = join(recipeFolder("debian"), "build-rootfs.sh");
      const result = await run("sh", [script, SUITE, target, main, security], {
        env: { ...context.env, PATH: systemPath(context.env), LC_ALL: "C.UTF-8" },
        onLine: progress,
      });
      if (result.code !== 0) {
        throw new ToolchainError(
          `${BASE} could not be made with debootstrap:\n${indent(result.tail)}`,
          "Check that this machine reaches its Debian mirror (apt-get update), and run this again.",
        );
      }
      progress("importing it into the engine");
      await importRootfs(docker, target, hash);
    });
  } finally {
    await removeRootfs(target);
  }
}

async function ensureDebootstrap(context: ToolchainContext): Promise<void> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new ToolchainError(
      `No container registry answers, and only root on Linux can make ${BASE} here.`,
      "Connect this machine to a container registry, or run this as root on Linux.",
    );
  }
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  const missing = [
    ...(findProgram("debootstrap", context.env) === undefined ? ["debootstrap"] : []),
    ...((await run("test", ["-e", keyring])).code === 0 ? [] : ["debian-archive-keyring"]),
  ];
  if (missing.length === 0) return;
  const remedy = `Install ${missing.join(" and ")} (apt-get install -y ${missing.join(" ")}) and run this again.`;
  if (!context.install || !hasApt(context.env)) {
    throw new ToolchainError(
      `${BASE} has to be made with ${missing.join(" and ")}, which this machine lacks.`,
      remedy,
    );
  }
  await refreshLists(context, "debootstrap");
  await aptInstall(context, missing, "debootstrap, which makes the base image");
}

/** Imports the folder into the engine, as an archive that is made on the way. */
async function importRootfs(docker: DockerCli, target: string, hash: string): Promise<void> {
  const version = readFileSync(join(target, "etc/debian_version"), "utf8").trim();
  const changes = [
    'CMD ["bash"]',
    `LABEL ${LABEL}="${hash}" ${LABEL_NAME}="debian" ${LABEL_VERSION}="${version}" ${LABEL_PACKAGES}="Debian ${version} by debootstrap"`,
  ];
  const tar = spawn("tar", ["-C", target, "--numeric-owner", "-c", "."], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const packed = new Promise<number | null>((resolve) => {
    tar.on("close", resolve);
    tar.on("error", () => resolve(null));
  });
  // Imported without a name first, because an archive that broke off half-way must not get the name.
  const result = await docker.run(["import", ...changes.flatMap((change) => ["--change", change]), "-"], {
    input: tar.stdout,
  });
  const id = result.stdout.trim();
  if ((await packed) !== 0 || result.code !== 0 || id === "") {
    if (id !== "") await docker.run(["image", "rm", id]);
    throw new ToolchainError(
      `The engine did not import ${BASE}:\n${indent(result.tail)}`,
      "Check that the engine has disk space (docker system df), and run this again.",
    );
  }
  await docker.run(["tag", id, keptName("debian", hash)]);
  await docker.run(["tag", id, BASE]);
}

/** Removes the folders of runs that ended half-way. */
async function clearLeftovers(work: string): Promise<void> {
  for (const name of readdirSync(work)) {
    const pid = Number(/^rootfs-(\d+)$/.exec(name)?.[1] ?? NaN);
    if (!Number.isNaN(pid) && !isAlive(pid)) await removeRootfs(join(work, name));
  }
}

/** Removes the folder. debootstrap mounts /proc in it, and leaves it mounted when it is ended half-way. */
async function removeRootfs(target: string): Promise<void> {
  const mounted = (): string[] =>
    readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .map((line) => (line.split(" ")[1] ?? "").replaceAll("\\040", " "))
      .filter((path) => path.startsWith(`${target}/`));
  for (const path of mounted().reverse()) await run("umount", ["-l", path]);
  if (mounted().length > 0) return;
  rmSync(target, { recursive: true, force: true });
}
