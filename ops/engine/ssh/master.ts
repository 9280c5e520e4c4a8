/**
 * One SSH connection by the system's own `ssh`, so that ~/.ssh/config, jumps, key files and the agent count as they do
 * when a person types it. Everything else on the way to the engine goes through it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { run } from "../../../tools/host/run.ts";
import { sshLogin, type SshAddress } from "../../../tools/host/ssh-address.ts";

/** Who logs in to which machine. */
export interface Login {
  readonly address: SshAddress;
  /** The machine's public key; another one ends the connection. Undefined: the user's known_hosts decide. */
  readonly hostKey?: string;
  /** In PEM form. Undefined: the agent and the user's own key files. */
  readonly privateKey?: string;
  /** Where the user has named the machine and its key, for what is said when it does not let us in; default: the stack's config. */
  readonly named?: { readonly address: string; readonly hostKey: string };
}

/** What `ssh` is run with. */
export interface Workshop {
  /** The path of the program. */
  readonly ssh: string;
  /** A private folder for sockets and keys. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
}

/** `ssh` ended before it was let in; what it said is the reason. */
export class SshRefused extends Error {
  override readonly name = "SshRefused";
}

/** The name under which the machine's key is known here, whatever the machine is called. */
const HOST_ALIAS = "omniai-host";
/** Printed on this machine, by `ssh` itself, as soon as it is let in. */
const OPEN = "omniai-ssh-open";
/**
 * Says where the engine listens there, and then ends only with its input: with this process, however that ends.
 * A drift check's key runs engine-reader.py in its place, which knows this very text.
 */
const REMOTE =
  "docker context inspect --format '{{.Endpoints.docker.Host}}' || echo unix:///var/run/docker.sock; cat >/dev/null";
/** A key that is bound to a command of its own never says where the engine is. */
const ENGINE_ANSWER_MS = 5000;
const CLOSING_LINES = 6;

/** What every connection of ours is told, before the user's own settings are asked. */
const OPTIONS: readonly string[] = [
  // Nobody can answer a question here: the connection must not be on the terminal, where Ctrl-C would reach it.
  "BatchMode=yes",
  "ConnectTimeout=20",
  // A machine that is gone is noticed after a minute.
  "ServerAliveInterval=15",
  "ServerAliveCountMax=4",
  "ClearAllForwardings=yes",
  "ForwardAgent=no",
  "ForwardX11=no",
  "RemoteCommand=none",
];

/** The options as `ssh` takes them. */
export const asArguments = (options: readonly string[]): string[] =>
  options.flatMap((option) => ["-o", option]);

/** Writes what a login needs into the folder. @returns the options for it, and what takes the private key away again */
export function prepareLogin(
  { address, hostKey, privateKey }: Login,
  folder: string,
): { readonly options: string[]; readonly forget: () => void } {
  const options = [...OPTIONS];
  if (hostKey !== undefined) {
    const known = join(folder, "known_hosts");
    writeFileSync(known, `${HOST_ALIAS} ${hostKey}\n`, { mode: 0o600 });
    options.push(
      "StrictHostKeyChecking=yes",
      `HostKeyAlias=${HOST_ALIAS}`,
      `UserKnownHostsFile=${known}`,
      "GlobalKnownHostsFile=none",
    );
  }
  const key = join(folder, "key");
  if (privateKey !== undefined) {
    writeFileSync(key, privateKey.endsWith("\n") ? privateKey : `${privateKey}\n`, { mode: 0o600 });
    options.push(`IdentityFile=${key}`, "IdentitiesOnly=yes");
  }
  return {
    options: [...asArguments(options), ...sshLogin(address)],
    forget: () => rmSync(key, { force: true }),
  };
}

/** A connection that others share. */
export class Master {
  /** Where others find it. */
  readonly control: string;
  /** Where the engine listens on the machine, as DOCKER_HOST writes it; undefined where the machine does not say. */
  readonly engine: Promise<string | undefined>;
  readonly #workshop: Workshop;
  readonly #child: ChildProcess;
  readonly #said: string[];

  private constructor(
    workshop: Workshop,
    control: string,
    child: ChildProcess,
    said: string[],
    engine: Promise<string | undefined>,
  ) {
    this.#workshop = workshop;
    this.control = control;
    this.#child = child;
    this.#said = said;
    this.engine = engine;
  }

  /** Resolves when the machine has let us in. @throws SshRefused */
  static async open(workshop: Workshop, login: Login, name: string): Promise<Master> {
    const control = join(workshop.folder, name);
    const { options, forget } = prepareLogin(login, workshop.folder);
    const shared = [
      `ControlPath=${control}`,
      "ControlMaster=yes",
      "ControlPersist=no",
      "PermitLocalCommand=yes",
      `LocalCommand=echo ${OPEN}`,
    ];
    const child = spawn(
      workshop.ssh,
      [...asArguments(shared), ...options, "-T", "--", login.address.host, REMOTE],
      // A session of its own: a Ctrl-C on the terminal must not cut the connection while a deploy comes to its end.
      { detached: true, stdio: ["pipe", "pipe", "pipe"], env: workshop.env },
    );
    const said: string[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line.trim());
      if (said.length > CLOSING_LINES) said.shift();
    });
    const engine = Promise.withResolvers<string | undefined>();
    try {
      await new Promise<void>((resolve, reject) => {
        createInterface({ input: child.stdout }).on("line", (line) => {
          if (line === OPEN) resolve();
          else if (/^\w+:\/\//.test(line)) engine.resolve(line.trim());
        });
        child.on("error", reject);
        child.on("close", () => {
          engine.resolve(undefined);
          reject(new SshRefused(said.join("\n")));
        });
      });
    } finally {
      forget();
    }
    child.stdin.on("error", () => undefined);
    setTimeout(() => engine.resolve(undefined), ENGINE_ANSWER_MS).unref();
    return new Master(workshop, control, child, said, engine.promise);
  }

  get isOpen(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What `ssh` said last. */
  get said(): string {
    return this.#said.join("\n");
  }

  /** Arguments that make another `ssh` use this connection, and fail where it is gone rather than open one of its own. */
  get share(): string[] {
    return [
      "-F",
      "none",
      ...asArguments([`ControlPath=${this.control}`, "ControlMaster=no", "ProxyCommand=exit 255"]),
    ];
  }

  /** Makes connections to a socket here reach a socket there. @returns false where `ssh` refuses */
  async forward(here: string, there: string): Promise<boolean> {
    const args = [...this.share, "-O", "forward", "-L", `${here}:${there}`, "--", HOST_ALIAS];
    return (await run(this.#workshop.ssh, args, { env: this.#workshop.env, timeoutMs: 10_000 })).code === 0;
  }

  /** Runs a command there, with its input and output as they are. */
  session(command: string): ChildProcess {
    return spawn(this.#workshop.ssh, [...this.share, "-T", "--", HOST_ALIAS, command], {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: this.#workshop.env,
    });
  }

  close(): void {
    this.#child.stdin?.destroy();
    this.#child.kill("SIGTERM");
  }
}
