/** Which init system starts services on this machine. */
import { existsSync, readFileSync } from "node:fs";
import type { Starter } from "./record.ts";

export interface InitFacts {
  /** The name of process 1. */
  readonly pid1: string;
  /** /run/systemd/system exists, which is so only where systemd booted the machine (sd_booted(3)). */
  readonly systemdBooted: boolean;
  /** systemd has a docker.service. */
  readonly unit: boolean;
  /** /run/openrc/softlevel exists, which is so only while OpenRC runs. */
  readonly openrcRuns: boolean;
  /** /run/initctl exists, where a running System V init listens. */
  readonly initctl: boolean;
  /** /etc/init.d/docker exists. */
  readonly initScript: boolean;
}

const UNIT_FOLDERS = ["/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"];

export function initFacts(): InitFacts {
  let pid1 = "";
  try {
    pid1 = readFileSync("/proc/1/comm", "utf8").trim();
  } catch {
    // /proc may hide it; then nothing is known about it.
  }
  return {
    pid1,
    systemdBooted: existsSync("/run/systemd/system"),
    unit: UNIT_FOLDERS.some((folder) => existsSync(`${folder}/docker.service`)),
    openrcRuns: existsSync("/run/openrc/softlevel"),
    initctl: existsSync("/run/initctl"),
    initScript: existsSync("/etc/init.d/docker"),
  };
}

/**
 * The init system that really runs, else "direct". Installed files prove nothing: containers and small virtual machines
 * have systemd's files and boot something else.
 */
export function chooseStarter(facts: InitFacts): Starter {
  if (facts.systemdBooted && facts.pid1 === "systemd") return facts.unit ? "systemd" : "direct";
  if (!facts.initScript) return "direct";
  if (facts.openrcRuns) return "openrc";
  if (facts.pid1 === "init" && facts.initctl) return "sysv";
  return "direct";
}

/** The command that starts the engine by the init system. */
export function startCommand(starter: Exclude<Starter, "direct">): readonly [string, ...string[]] {
  if (starter === "systemd") return ["systemctl", "start", "docker.service"];
  if (starter === "openrc") return ["rc-service", "docker", "start"];
  return ["service", "docker", "start"];
}

/** The commands that stop it. With systemd the socket unit is stopped too: it would start the service at the next call. */
export function stopCommand(starter: Exclude<Starter, "direct">): readonly [string, ...string[]] {
  if (starter === "systemd") return ["systemctl", "stop", "docker.socket", "docker.service"];
  if (starter === "openrc") return ["rc-service", "docker", "stop"];
  return ["service", "docker", "stop"];
}
