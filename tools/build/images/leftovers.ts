/** Removes what earlier builds left on the engine. */
import type { DockerCli } from "../../host/docker-cli.ts";
import { socketPath } from "../../host/docker-host.ts";
import { isAlive } from "../../host/process.mjs";
import { keptName } from "./present.ts";
import type { Recipe } from "./recipes.ts";
import { SMOKE_LABEL } from "./smoke.ts";

/** So long the stand-ins of other recipes are kept, because another checkout may still use them. */
const KEEP_DAYS = 7;

/** Removes old stand-ins of other recipes. The engine keeps those that a container or an image uses. */
export async function forgetOldOnes(docker: DockerCli, recipe: Recipe, hash: string): Promise<void> {
  const before = Date.now() - KEEP_DAYS * 86_400_000;
  const reference = `reference=${keptName(recipe.repository, "*")}`;
  const listed = await docker.run(["images", "--filter", reference, "--format", "{{.Repository}}:{{.Tag}}"]);
  for (const name of listed.stdout.split("\n").filter((line) => line !== "")) {
    if (name === keptName(recipe.repository, hash)) continue;
    const created = await docker.run(["image", "inspect", "--format", "{{.Created}}", name]);
    if (Date.parse(created.stdout.trim()) < before) await docker.run(["image", "rm", name]);
  }
}

/** Removes containers and images of runs that ended half-way. They are known by pids, which mean something only here. */
export async function clearLeftovers(docker: DockerCli): Promise<void> {
  if (socketPath(docker.host) === undefined) return;
  const containers = await docker.run([
    "ps",
    "--all",
    "--filter",
    `label=${SMOKE_LABEL}`,
    "--format",
    `{{.Label "${SMOKE_LABEL}"}} {{.ID}}`,
  ]);
  for (const [, pid, id] of containers.stdout.matchAll(/^(\d+) (\S+)$/gm)) {
    if (id !== undefined && !isAlive(Number(pid))) await docker.run(["rm", "--force", "--volumes", id]);
  }
  const images = await docker.run([
    "images",
    "--filter",
    "reference=omniai-standin-*",
    "--format",
    "{{.Repository}}:{{.Tag}}",
  ]);
  for (const [name, pid] of images.stdout.matchAll(/^omniai-standin-\S+:(\d+)-\S+$/gm)) {
    if (!isAlive(Number(pid))) await docker.run(["image", "rm", name]);
  }
}
