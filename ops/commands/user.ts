/**
 * `npm run user`: who may use the service. It runs the service's own code in one of its replicas, which has the way to
 * the database and the rights; nothing has to be opened for it. A password goes through standard input.
 */
import type Docker from "dockerode";
import { isGood, listContainers, unframe } from "../engine/containers.ts";
import { EXIT, OpsError } from "../terminal/errors.ts";
import { note, paint, print } from "../terminal/output.ts";
import { findPlace, openEngine, type CommonOptions } from "../stack/session.ts";

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
}

type Answer =
  | { ok: true; user: User; password?: string; note?: string }
  | { ok: true; users: readonly User[] }
  | { ok: false; what: string; remedy: string };

/** A small heap: it shares the replica's memory with the service. */
const PROGRAM = ["node", "--max-old-space-size=48", "service/dist/user.js"];

export async function user(command: string, name: string | undefined, options: UserOptions): Promise<void> {
  const place = findPlace(options);
  const { docker } = await openEngine(place);
  const replicas = (await listContainers(docker, place.stack)).filter(
    ({ workload }) => workload === "backend",
  );
  const replica = replicas.find(isGood);
  if (!replica) {
    throw new OpsError(
      `Stack ${place.stack} has no healthy replica of the service; it has ${replicas.length} that ${replicas.length === 1 ? "is" : "are"} not.`,
      replicas.length === 0 ? "Deploy it: npm run up" : "See why: npm run health, npm run logs -- backend",
    );
  }
  const args = [command, ...(name === undefined ? [] : [name])];
  if (options.scopes !== undefined) args.push("--scopes", options.scopes);
  if (options.passwordStdin) args.push("--password-stdin");
  const input = options.passwordStdin ? await readInput() : "";
  const { output, exitCode } = await execute(docker, replica.id, [...PROGRAM, ...args], input);
  const answer = parseAnswer(output);
  if (!answer) {
    throw new OpsError(
      `The command in ${replica.name} ended with ${exitCode} and said nothing that is understood: ${lastLine(output)}`,
      "Is the replica of this version? Deploy it: npm run up",
    );
  }
  if (!answer.ok) throw new OpsError(answer.what, answer.remedy, exitCode === 2 ? EXIT.usage : EXIT.failed);
  if (options.json) return print(JSON.stringify(answer, undefined, 2));
  show(command, answer);
}

/** Pure: the answer is the last line that is JSON; undefined when there is none. */
export function parseAnswer(output: string): Answer | undefined {
  for (const line of output.trimEnd().split("\n").reverse()) {
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === "object" && value !== null && "ok" in value) return value as Answer;
    } catch {
      // Not the answer.
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

/** Runs a program in a container, with `input` on its standard input. */
async function execute(
  docker: Docker,
  id: string,
  command: readonly string[],
  input: string,
): Promise<{ output: string; exitCode: number }> {
  const exec = await docker
    .getContainer(id)
    .exec({ Cmd: [...command], AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: false });
  const stream = await exec.start({ hijack: true, stdin: true });
  const pieces: Buffer[] = [];
  stream.on("data", (piece: Buffer) => pieces.push(piece));
  stream.end(input);
  await new Promise<void>((resolve, reject) => {
    stream.on("end", resolve);
    stream.on("close", resolve);
    stream.on("error", reject);
  });
  const { ExitCode } = await exec.inspect();
  return { output: unframe(Buffer.concat(pieces)), exitCode: ExitCode ?? EXIT.failed };
}

function show(command: string, answer: Extract<Answer, { ok: true }>): void {
  if ("users" in answer) {
    if (answer.users.length === 0) return print("There is no user yet. Add one: npm run user -- add NAME");
    for (const one of answer.users) print(describeUser(one));
    return;
  }
  const { user: one, password, note: more } = answer;
  print(`${PAST[command] ?? command} ${paint("bold", one.name)} (${one.id}), ${one.scopes.join(" ")}`);
  if (password !== undefined) print(`Password, shown this once: ${paint("bold", password)}`);
  if (more !== undefined) print(more);
}

const PAST: Readonly<Record<string, string>> = {
  add: "Added",
  passwd: "New password for",
  disable: "Disabled, logged out and cut off everywhere:",
  enable: "Enabled",
};

/** Pure: one line of the list. */
export function describeUser({ id, name, scopes, isDisabled, createdAt = "", apiTokens = 0 }: User): string {
  const tokens = apiTokens === 1 ? "1 API token" : `${apiTokens} API tokens`;
  const state = isDisabled ? "disabled" : "enabled";
  return `${name.padEnd(24)} ${state.padEnd(8)} ${id}  since ${createdAt.slice(0, 10)}  ${tokens}  ${scopes.join(" ")}`;
}
