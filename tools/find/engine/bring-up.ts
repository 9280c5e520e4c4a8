/** What is done, or said to the user, when no engine answers. */
import { aptInstall, hasApt, isOffered, refreshLists } from "../../host/apt.ts";
import { defaultHost, isLocalDefault, socketPath } from "../../host/docker-host.ts";
import { ToolchainError, type PartStatus, type ToolchainContext } from "../../host/part.ts";
import { findProgram } from "../../host/path.mjs";
import { askEngine, type EngineAnswer } from "./api.ts";
import { chooseStarter, initFacts } from "./init-system.ts";
import { machinePlace } from "./place.ts";
import { startByInit, startDirect } from "./start.ts";

export type Unreached = Extract<EngineAnswer, { reached: false }>;

/** The facts that decide between installing, starting, and telling the user what to do. */
export interface Situation {
  readonly platform: NodeJS.Platform;
  readonly root: boolean;
  readonly mayInstall: boolean;
  /** The address is the machine's own, not one that the user set. */
  readonly local: boolean;
  /** The address is a socket or pipe of this machine, whoever set it. */
  readonly socket: boolean;
  readonly why: Unreached["why"];
  /** dockerd is on the machine. */
  readonly installed: boolean;
  readonly apt: boolean;
}

export type Plan =
  | { readonly do: "install and start" | "start" }
  | { readonly do: "say"; readonly what: string; readonly remedy: string };

const PACKAGES = ["docker.io", "iptables", "containerd", "tini"];
const INSTALL = `apt-get install -y --no-install-recommends ${PACKAGES.join(" ")}`;

function situation(context: ToolchainContext, host: string, unreached: Unreached): Situation {
  return {
    platform: process.platform,
    root: process.getuid?.() === 0,
    mayInstall: context.install,
    local: isLocalDefault(host) || host === defaultHost(),
    socket: socketPath(host) !== undefined,
    why: unreached.why,
    installed: findProgram("dockerd", context.env) !== undefined,
    apt: hasApt(context.env),
  };
}

/** The decision, from facts alone. */
export function plan(facts: Situation): Plan {
  const say = (what: string, remedy: string): Plan => ({ do: "say", what, remedy });
  if (facts.socket && (facts.platform === "darwin" || facts.platform === "win32")) {
    return say("does not answer", "Start Docker Desktop (or install it from docker.com) and run this again.");
  }
  if (facts.why === "denied") {
    return say(
      "does not let you use it",
      "Add yourself to the group docker (sudo usermod -aG docker $USER), log in again, and run this again.",
    );
  }
  if (!facts.local) {
    return say(
      "does not answer",
      "This address comes from omniai:dockerHost, from DOCKER_HOST or from the current docker context: start that engine. To use this machine's own, leave out what names the other (unset DOCKER_HOST; docker context use default).",
    );
  }
  if (facts.platform !== "linux") {
    return say("does not answer", "Set DOCKER_HOST to an engine on a Linux machine.");
  }
  if (facts.why === "silent" || facts.why === "refused") {
    return say(
      "runs, but does not answer properly",
      "Check the engine (systemctl status docker, or its log), restart it, and run this again.",
    );
  }
  if (!facts.root) {
    return facts.installed
      ? say(
          "is not running, and only root may start it",
          "Start it (sudo systemctl start docker) and run this again.",
        )
      : say(
          "is missing, and only root may install it",
          `Install it (sudo ${INSTALL}; or docs.docker.com/engine/install), add yourself to the group docker, and run this again.`,
        );
  }
  if (facts.installed) {
    if (facts.mayInstall) return { do: "start" };
    return say(
      "is installed but not running",
      "Start it (systemctl start docker, or service docker start), or leave --no-install out.",
    );
  }
  if (!facts.apt) {
    return say(
      "is missing",
      "Install Docker Engine for this distribution (docs.docker.com/engine/install) and run this again.",
    );
  }
  if (!facts.mayInstall)
    return say("is missing", `Install it (${INSTALL}) and start it, or leave --no-install out.`);
  return { do: "install and start" };
}

/** One sentence for `doctor`. */
export function howToGetIt(context: ToolchainContext, host: string, unreached: Unreached): string {
  const decided = plan(situation(context, host, unreached));
  if (decided.do === "say") return decided.remedy;
  return decided.do === "start"
    ? "npm run up starts it."
    : `npm run up installs it (${INSTALL}) and starts it.`;
}

/** Brings up the engine of this machine, or throws an error that says what the user can do. */
export async function bringUp(
  context: ToolchainContext,
  host: string,
  unreached: Unreached,
): Promise<{ readonly way: PartStatus["way"]; readonly answer: EngineAnswer }> {
  const decided = plan(situation(context, host, unreached));
  if (decided.do === "say") {
    throw new ToolchainError(
      `The Docker engine at ${host} ${decided.what} (${unreached.detail}).`,
      decided.remedy,
    );
  }
  if (decided.do === "install and start") {
    context.report.say(
      "This machine has no Docker engine. It is installed from the distribution's packages.",
    );
    await refreshLists(context, "docker.io");
    // Since Debian 13 the CLI is a package of its own, which docker.io only recommends.
    const cli = (await isOffered("docker-cli", context.env)) ? ["docker-cli"] : [];
    await aptInstall(context, [...PACKAGES, ...cli], "the Docker engine");
  }
  // The installation may have started it.
  let answer = await askEngine(host, context.env);
  if (!answer.reached) {
    const place = machinePlace(context.cacheDir);
    const starter = chooseStarter(initFacts());
    if (starter === "direct") await startDirect(context, place);
    else await startByInit(context, starter, place);
    answer = await askEngine(host, context.env);
  }
  return { way: decided.do === "start" ? "path" : "downloaded", answer };
}

/**
 * Provides the docker CLI, which builds images and which the stack itself calls. Where the engine is on another machine, no
 * package is installed that would bring an engine along.
 */
export async function ensureCli(context: ToolchainContext, host: string): Promise<void> {
  if (findProgram("docker", context.env) !== undefined) return;
  const able = process.platform === "linux" && process.getuid?.() === 0 && hasApt(context.env);
  const name =
    context.install && able ? await cliPackage(context, socketPath(host) !== undefined) : undefined;
  if (name === undefined) {
    throw new ToolchainError(
      `The docker CLI, which reaches the Docker engine at ${host}, is not on PATH.`,
      "Install it: the package docker-cli (in docker.io on Debian 12, with an engine), or docker-ce-cli from Docker, or Docker Desktop.",
    );
  }
  await aptInstall(context, [name], "the docker CLI");
}

async function cliPackage(context: ToolchainContext, mayBringEngine: boolean): Promise<string | undefined> {
  await refreshLists(context, "docker.io");
  if (await isOffered("docker-cli", context.env)) return "docker-cli";
  return mayBringEngine ? "docker.io" : undefined;
}
