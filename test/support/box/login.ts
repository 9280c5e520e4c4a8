/** How somebody logs in to machines of the tests: a key of their own, in an agent of their own. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../http.ts";
import { docker } from "./machine.ts";

export interface Login {
  /** The private key. */
  readonly keyFile: string;
  /** Variables for programs that log in with it. */
  readonly env: { readonly SSH_AUTH_SOCK: string };
  /** Lets it into a machine as the user `deploy`, who may become root there. */
  letInto(machine: string): void;
  /** Ends the agent. */
  stop(): void;
}

/** @param work a folder for its files. */
export async function startLogin(work: string): Promise<Login> {
  const keyFile = join(work, "key");
  const agent = join(work, "agent");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", keyFile]);
  const agentProcess = spawn("ssh-agent", ["-D", "-a", agent], { stdio: "ignore" });
  const env = { SSH_AUTH_SOCK: agent };
  await eventually("an agent", 60, () => existsSync(agent));
  execFileSync("ssh-add", ["-q", keyFile], { env: { ...process.env, ...env } });
  return {
    keyFile,
    env,
    letInto(machine) {
      docker("cp", `${keyFile}.pub`, `${machine}:/home/deploy/.ssh/authorized_keys`);
      docker("exec", machine, "chown", "-R", "deploy", "/home/deploy/.ssh");
    },
    stop: () => void agentProcess.kill(),
  };
}

/** A machine's key, as /etc/ssh/ssh_host_ecdsa_key.pub has it, without its comment. */
export const hostKeyOf = (machine: string): string =>
  docker("exec", machine, "cut", "-d ", "-f1,2", "/etc/ssh/ssh_host_ecdsa_key.pub");
