/** Tries a new stand-in out: it has to start, to answer, and to tell its version. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DockerCli } from "../../host/docker-cli.ts";
import { ToolchainError } from "../../host/part.ts";
import { indent } from "../../host/run.ts";
import { check } from "./check.ts";
import type { ImageName } from "./names.ts";
import type { Recipe } from "./recipes.ts";

/** The label of the containers, whose value is the pid of the run that started them. */
export const SMOKE_LABEL = "io.omniai.smoke";
const SMOKE_MS = 60_000;

/** Starts the image, waits until it answers, and returns the version that it tells. */
export async function smokeTest(
  docker: DockerCli,
  aside: string,
  image: ImageName,
  recipe: Recipe,
): Promise<string> {
  const name = `omniai-smoke-${recipe.repository.replaceAll("/", "-")}-${process.pid}`;
  const { smoke } = recipe;
  try {
    const start = [
      "run",
      "--detach",
      "--name",
      name,
      "--label",
      `${SMOKE_LABEL}=${process.pid}`,
      "--network",
      "none",
    ];
    check(
      await docker.run([...start, ...smoke.run, aside, ...smoke.command]),
      `The stand-in for ${image.written} does not start`,
    );
    const end = Date.now() + SMOKE_MS;
    for (;;) {
      const ready = await docker.run(["exec", name, ...smoke.ready], { timeoutMs: 10_000 });
      if (ready.code === 0) break;
      const state = await docker.run(["inspect", "--format", "{{.State.Running}}", name]);
      if (Date.now() > end || state.stdout.trim() !== "true") {
        const log = await docker.run(["logs", "--tail", "12", name]);
        throw new ToolchainError(
          `The stand-in for ${image.written} was built but does not answer (${smoke.ready.join(" ")}), so it is not used:\n${indent([...ready.tail, ...log.tail])}`,
          "This is a fault of its recipe in tools/build/images. Correct it and run this again.",
        );
      }
      await sleep(200);
    }
    const said = await docker.run(["exec", name, ...smoke.version]);
    const version = readVersion(said.tail.join(" "));
    if (said.code !== 0 || version === undefined) {
      throw new ToolchainError(
        `The stand-in for ${image.written} does not tell its version (${smoke.version.join(" ")}):\n${indent(said.tail)}`,
        "This is a fault of its recipe in tools/build/images. Correct it and run this again.",
      );
    }
    return version;
  } finally {
    await docker.run(["rm", "--force", "--volumes", name]);
  }
}

/** The first number with a dot in it, in what a program prints. */
export function readVersion(text: string): string | undefined {
  return /\d+(?:\.\d+)+/.exec(text)?.[0];
}
