/**
 * `npm run user`: who may use the service. It runs the service's own code in one of its replicas, which reaches the
 * database and has the rights, so nothing has to be opened for it. A password goes through standard input.
 */
import { isGood, listContainers } from "../engine/containers.ts";
import { execIn } from "../engine/exec.ts";
import { findPlace, type CommonOptions } from "../stack/place.ts";
import { openEngine } from "../stack/look.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { note, paint, print } from "../terminal/output.ts";

export interface UserOptions extends CommonOptions {
  readonly scopes?: string;
  /** Read the password from standard input instead of generating one. */
  readonly passwordStdin?: boolean;
}

interface User {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly isDisabled: boolean;
  readonly createdAt?: string;
  readonly apiTokens?: number;
  /** These two are missing where the replica is of a version before them. */
  readonly devices?: number;
  readonly lastPushedAt?: string | null;
}

type Answer =
  | { ok: true; user: User; password?: string; note?: string }
  | { ok: true; users: readonly User[] }
  | { ok: false; what: string; remedy: string };

/** The heap is small because the command shares the replica's memory with the service. */
const PROGRAM = ["node", "--max-old-space-size=48", "service/dist/user.js"];

/** The exit code of a process that was killed (128 + SIGKILL). */
const KILLED = 137;

/** Pure: in a container, nothing but the memory limit kills one process and lets the others live. */
export const noMemory = (replica: string, stack: string): OpsError =>
  new OpsError(
    `The command in ${replica} was killed, because the replica's memory limit has no room for it beside what it serves.`,
    `See whether it was done: ${npmRun("user", stack, "list")}. Then try again when there is less load, or raise ` +
      `omniai:backendMemory and deploy: ${npmRun("up", stack)}`,
  );

export async function user(command: string, name: string | undefined, options: UserOptions): Promise<void> {
  const place = findPlace(options);
  const { stack } = place;
  const { docker } = await openEngine(place, options);
  const replicas = (await listContainers(docker, stack)).filter(({ workload }) => workload === "backend");
  const replica = replicas.find(isGood);
  if (!replica && replicas.length === 0 && place.settings.config.platform === "swarm") {
    throw new OpsError(
      `No replica of stack ${stack} runs on the node that omniai:dockerHost names, and \`user\` works inside of one.`,
      `See where they run: ${npmRun("status", stack)}. Name a manager that runs tasks, or have them dealt out anew: ${npmRun("restart", stack)}`,
      exit.failed,
    );
  }
  if (!replica) {
    throw new OpsError(
      replicas.length === 0
        ? `Stack ${stack} has no replica of the service on this engine.`
        : `Stack ${stack} has no healthy replica of the service; ${replicas.length} of ${replicas.length} are unhealthy.`,
      replicas.length === 0
        ? `Deploy it: ${npmRun("up", stack)}`
        : `See why: ${npmRun("health", stack)}, ${npmRun("logs", stack, "backend")}`,
    );
  }
  const args = [command, ...(name === undefined ? [] : [name])];
  if (options.scopes !== undefined) args.push("--scopes", options.scopes);
  if (options.passwordStdin) args.push("--password-stdin");
  const input = options.passwordStdin ? await readInput() : "";
  const { output, exitCode } = await execIn(docker, replica.id, [...PROGRAM, ...args], { input });
  const answer = parseAnswer(output);
  if (!answer && exitCode === KILLED) throw noMemory(replica.name, stack);
  if (!answer) {
    throw new OpsError(
      `The command in ${replica.name} ended with exit code ${exitCode} and an answer that cannot be read: ${lastLine(output)}`,
      `The replica may be of another version than this checkout. Deploy this one: ${npmRun("up", stack)}`,
    );
  }
  if (!answer.ok) throw new OpsError(answer.what, answer.remedy, exitCode === 2 ? exit.usage : exit.failed);
  if (options.json) return print(JSON.stringify(answer, undefined, 2));
  printAnswer(command, answer, stack);
}

/** Pure: the answer, which is the last line that is JSON with `ok`; undefined when there is none. */
export function parseAnswer(output: string): Answer | undefined {
  for (const line of output.trimEnd().split("\n").reverse()) {
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === "object" && value !== null && "ok" in value) return value as Answer;
    } catch {
      // Another line than the answer.
    }
  }
  return undefined;
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";

async function readInput(): Promise<string> {
  if (process.stdin.isTTY) note("The password, then Enter and Ctrl-D:");
  let text = "";
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}

function printAnswer(command: string, answer: Extract<Answer, { ok: true }>, stack: string): void {
  if ("users" in answer) {
    if (answer.users.length === 0)
      return print(`There is no user yet. Add one: ${npmRun("user", stack, "add", "NAME")}`);
    for (const one of answer.users) print(describeUser(one));
    return;
  }
  const { user: one, password, note: more } = answer;
  print(`${past[command] ?? command} ${paint("bold", one.name)} (${one.id}), ${one.scopes.join(" ")}`);
  if (password !== undefined) print(`Password, shown this once: ${paint("bold", password)}`);
  if (more !== undefined) print(more);
}

const past: Readonly<Record<string, string>> = {
  add: "Added",
  passwd: "New password for",
  disable: "Disabled, logged out and cut off everywhere:",
  enable: "Enabled",
};

/** Pure: one line of the list. */
export function describeUser({
  id,
  name,
  scopes,
  isDisabled,
  createdAt = "",
  apiTokens = 0,
  devices = 0,
  lastPushedAt = null,
}: User): string {
  const tokens = apiTokens === 1 ? "1 API token" : `${apiTokens} API tokens`;
  const state = isDisabled ? "disabled" : "enabled";
  const alerts = devices === 0 ? "" : `  ${describeDevices(devices, lastPushedAt)}`;
  return `${name.padEnd(24)} ${state.padEnd(8)} ${id}  since ${createdAt.slice(0, 10)}  ${tokens}${alerts}  ${scopes.join(" ")}`;
}

/** Pure: the devices that alerts are pushed to. @param last when one got a message, in ISO 8601; null: none has yet. */
function describeDevices(count: number, last: string | null): string {
  const sent = last === null ? "nothing sent yet" : `last sent ${last.slice(0, 16).replace("T", " ")} UTC`;
  return `${count === 1 ? "1 device" : `${count} devices`} (${sent})`;
}
