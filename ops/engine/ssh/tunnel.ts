/**
 * The way to an engine behind SSH: one connection for a whole command, a socket on this machine that leads through it to
 * the engine, and an `ssh` for everything that the command starts (docs/decisions/0031-ssh.md).
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../../tools/host/path.mjs";
import { AwayError, exit, OpsError } from "../../terminal/errors.ts";
import { Master, prepareLogin, SshRefused, type Login, type Workshop } from "./master.ts";
import { writeSshProgram } from "./program.ts";
import { SessionSocket, type Carrier } from "./sessions.ts";

export interface Tunnel {
  /** The socket or pipe on this machine, as DOCKER_HOST writes it. */
  readonly address: string;
  /** The folder with the `ssh` for the front of PATH. Undefined where `ssh` cannot share a connection. */
  readonly programs?: string;
  /** What refused the engine, where it was not SSH itself. */
  readonly complaint: string;
  /** Ends the connection and removes every trace. Safe to call at any time. */
  close(): void;
}

const DEFAULT_SOCKET = "/var/run/docker.sock";
const PING_MS = 10_000;
/** A socket's path has at most 104 characters on some systems, and `ssh` adds some of its own while it makes one. */
const LONGEST_TEMP = 50;
/** Where connections cannot be shared, each request has one of its own, and sshd turns away the eleventh that asks at once. */
const PLAIN_CONNECTIONS = 8;

/** Whether `ssh` can share a connection here: Windows' own cannot. */
const canShare = (platform: NodeJS.Platform): boolean => platform !== "win32";

/** Pure: where the sockets lie. Windows has pipes in their place, and no /tmp. */
export const tempFolder = (usual: string, platform: NodeJS.Platform): string =>
  platform !== "win32" && usual.length > LONGEST_TEMP ? "/tmp" : usual;

/** @throws OpsError that says why the host does not let us in */
export async function openTunnel(
  login: Login,
  env: NodeJS.ProcessEnv,
  platform = process.platform,
): Promise<Tunnel> {
  const ssh = findProgram("ssh", env);
  if (ssh === undefined) {
    throw new OpsError(
      `The engine is behind SSH (${login.address.host}), and the program ssh is not on PATH.`,
      "Install it (on Debian and Ubuntu: apt-get install openssh-client) and run the command again.",
    );
  }
  const folder = mkdtempSync(join(tempFolder(tmpdir(), platform), "omniai-ssh-"));
  const workshop = { ssh, folder, env };
  try {
    return canShare(platform) ? await shared(workshop, login) : await plain(workshop, login);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error instanceof SshRefused ? refusal(login, error.message) : error;
  }
}

async function shared(workshop: Workshop, login: Login): Promise<Tunnel> {
  const { folder, ssh } = workshop;
  const { address } = login;
  const master = await Master.open(workshop, login, "c1");
  const forwarded = await forwardEngine(master, folder, address.socket);
  let sessions: SessionSocket | undefined;
  let socket = forwarded;
  if (socket === undefined) {
    let number = 1;
    const open = (): Promise<Carrier> => Master.open(workshop, login, `c${++number}`);
    sessions = new SessionSocket([master], open, dialCommand(address.socket));
    socket = join(folder, "sessions.sock");
    await sessions.listen(socket);
  }
  const programs = join(folder, "bin");
  mkdirSync(programs);
  writeSshProgram(programs, { address, ssh, socket, share: master.share });
  return {
    address: `unix://${socket}`,
    programs,
    get complaint() {
      return master.isOpen ? (sessions?.complaint ?? "") : master.said;
    },
    close() {
      // First, because `ssh` and the server remove their sockets themselves when they end.
      rmSync(folder, { recursive: true, force: true });
      sessions?.close();
      master.close();
    },
  };
}

const dialCommand = (socket: string | undefined): string =>
  `docker ${socket === undefined ? "" : `--host=unix://${socket} `}system dial-stdio`;

/**
 * Leads a socket here to the engine's there: a connection through it is not a session, of which sshd allows few.
 * @returns undefined where the host or the key does not allow that
 */
async function forwardEngine(
  master: Master,
  folder: string,
  named: string | undefined,
): Promise<string | undefined> {
  let count = 0;
  const lead = async (there: string): Promise<string | undefined> => {
    const here = join(folder, `e${++count}.sock`);
    return (await master.forward(here, there)) && (await answersPing(here)) ? here : undefined;
  };
  if (named !== undefined) return lead(named);
  // Mostly the machine says the usual socket; another is an engine of the user's own, or one that a docker context names.
  const [usual, said] = await Promise.all([lead(DEFAULT_SOCKET), master.engine]);
  if (said === `unix://${DEFAULT_SOCKET}`) return usual;
  return said?.startsWith("unix://") ? lead(said.slice("unix://".length)) : undefined;
}

const answersPing = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const asked = request(
      { socketPath, path: "/_ping", agent: false, signal: AbortSignal.timeout(PING_MS) },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    asked.on("error", () => resolve(false));
    asked.end();
  });

/** Each request opens an SSH connection of its own. */
async function plain(workshop: Workshop, login: Login): Promise<Tunnel> {
  const { ssh, folder, env } = workshop;
  const { options } = prepareLogin(login, folder);
  const carrier: Carrier = {
    isOpen: true,
    session: (command) => spawn(ssh, [...options, "-T", "--", login.address.host, command], { env }),
    close: () => undefined,
  };
  const sessions = new SessionSocket(
    [carrier],
    () => Promise.resolve(carrier),
    dialCommand(login.address.socket),
    { connections: 1, sessions: PLAIN_CONNECTIONS },
  );
  const isPipe = process.platform === "win32";
  const socket = isPipe
    ? `\\\\.\\pipe\\omniai-${randomBytes(8).toString("hex")}`
    : join(folder, "sessions.sock");
  await sessions.listen(socket);
  return {
    address: isPipe ? `npipe:${socket.replaceAll("\\", "/")}` : `unix://${socket}`,
    get complaint() {
      return sessions.complaint;
    },
    close() {
      rmSync(folder, { recursive: true, force: true });
      sessions.close();
    },
  };
}

const inConfig = { address: "omniai:dockerHost or DOCKER_HOST", hostKey: "omniai:hostKey" };

/** Pure: why a host did not let us in, and what to do about it. */
export function refusal({ address, hostKey, privateKey, named = inConfig }: Login, said: string): OpsError {
  const { host } = address;
  const reason = said.trim() === "" ? "ssh ended and gave no reason" : said.trim();
  const error = (what: string, remedy: string): OpsError =>
    new OpsError(`${what}\n${reason}`, remedy, exit.failed);
  if (/host key verification failed|host identification has changed|no matching host key/i.test(said)) {
    return hostKey === undefined
      ? error(
          `This machine does not know the key of ${host}, or knows another one.`,
          `Compare it with what the machine's own console shows (ssh-keygen -lf /etc/ssh/ssh_host_ecdsa_key.pub), then log in once by hand: ssh ${host}. Or name it: ${named.hostKey}.`,
        )
      : // Without the words of ssh: they name a file of ours, and how to remove the key from it.
        new OpsError(
          `${host} does not have the key that ${named.hostKey} names. Nothing was sent to it.`,
          `If the machine was set up anew, read its key on its own console (cat /etc/ssh/ssh_host_ecdsa_key.pub), and name that one (${named.hostKey}). Otherwise somebody may be between you and it.`,
        );
  }
  if (/permission denied|too many authentication failures/i.test(said)) {
    return error(
      `${host} does not let us log in.`,
      privateKey === undefined
        ? `Log in by hand to see why (ssh ${host}). A key with a passphrase has to be in the SSH agent: ssh-add.`
        : "The key in omniai:hostPrivateKey is not in authorized_keys of that user.",
    );
  }
  return new AwayError(
    `There is no SSH connection to ${host}.\n${reason}`,
    `Try it by hand: ssh ${host}. The address comes from ${named.address}.`,
  );
}
