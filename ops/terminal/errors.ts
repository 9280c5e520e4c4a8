/** Turns errors into what a person is told: what happened, to what, and what to do next. */
import { CommandError, ConcurrentUpdateError } from "@pulumi/pulumi/automation/errors.js";

/** Exit codes of every command. */
export const exit = {
  ok: 0,
  /** Something failed: a container is unhealthy, an update did not go through, a part is missing. */
  failed: 1,
  /** The command line or the config is wrong; nothing was touched. */
  usage: 2,
  /** Another run has the stack's lock. */
  locked: 3,
  /** A mandatory policy does not hold. */
  policy: 4,
  /** What runs is not what is declared. */
  drift: 5,
  /** 128 + SIGINT, as shells report it. */
  interrupted: 130,
} as const;

/** A failure that was foreseen. It is shown without a stack trace. */
export class OpsError extends Error {
  override readonly name = "OpsError";
  readonly remedy: string;
  readonly exitCode: number;
  constructor(what: string, remedy: string, exitCode: number = exit.failed, options?: ErrorOptions) {
    super(what, options);
    this.remedy = remedy;
    this.exitCode = exitCode;
  }
}

/** A machine that does not answer at all. One that answers and refuses is another kind: it may go on running. */
export class AwayError extends OpsError {}

/** A run that a person stopped. */
export class InterruptedError extends OpsError {
  constructor(what: string, remedy: string) {
    super(what, remedy, exit.interrupted);
  }
}

export interface Explanation {
  readonly what: string;
  readonly remedy?: string;
  readonly exitCode: number;
}

/** Pure: the last lines of the Pulumi CLI that say something. */
export function lastLines(text: string, lines = 12): string {
  const meaningful = text
    .split("\n")
    .map((line) => line.trimEnd())
    // Pulumi's own launch messages say nothing about the failure.
    .filter((line) => line.trim() !== "" && !/^warning: using pulumi-/.test(line));
  return meaningful.slice(-lines).join("\n");
}

/** Pure: the two streams of a failed CLI run, out of the message that the Automation API makes of them. */
export function commandStreams(message: string): { stdout: string; stderr: string } {
  const match = /^code: .*?\n stdout: ([\s\S]*?)\n stderr: ([\s\S]*?)\n err\?: /.exec(message);
  return { stdout: match?.[1] ?? "", stderr: match?.[2] ?? message };
}

interface KnownFailure {
  readonly pattern: RegExp;
  readonly what: string;
  readonly remedy: string;
}

const diskIsFull: KnownFailure = {
  pattern: /no space left on device/i,
  what: "The disk is full.",
  remedy:
    "Free space (`docker system df` shows what the engine keeps), then run the command again: it goes on from here.",
};

/** Failures of the CLI whose own message does not say what to do here. */
const KNOWN_FAILURES: readonly KnownFailure[] = [
  {
    pattern: /incorrect passphrase|decryption failed|message authentication failed/i,
    what: "The secrets of this stack were encrypted with another passphrase than the one that is set.",
    remedy:
      "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the passphrase of this stack. This machine's own is in .state/passphrase; " +
      "if that file was lost or replaced, bring it back from a copy.",
  },
  {
    pattern: /passphrase must be set with PULUMI_CONFIG_PASSPHRASE/i,
    what: "PULUMI_BACKEND_URL names a backend of your own, but no passphrase for the secrets in it is set.",
    remedy: "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE, or unset PULUMI_BACKEND_URL.",
  },
  {
    pattern: /PULUMI_ACCESS_TOKEN must be set|You must be logged in|invalid access token/i,
    what: "The backend of the state asks for a login.",
    remedy:
      "Run `pulumi login`, or set PULUMI_ACCESS_TOKEN, or unset PULUMI_BACKEND_URL to use the local state in .state.",
  },
  diskIsFull,
];

/** Pure: any error in words. */
export function explain(error: unknown): Explanation {
  if (error instanceof OpsError)
    return { what: error.message, remedy: error.remedy, exitCode: error.exitCode };
  if (error instanceof Error && error.name === "ToolchainError") {
    const remedy = (error as Error & { remedy?: string }).remedy;
    const what = error.message.split("\n  ")[0] ?? error.message;
    return { what: remedy === undefined ? error.message : what, remedy, exitCode: exit.failed };
  }
  if (error instanceof CommandError) {
    const { stdout, stderr } = commandStreams(error.message);
    const text = `${stdout}\n${stderr}`;
    const known = KNOWN_FAILURES.find(({ pattern }) => pattern.test(text));
    if (known) return { what: known.what, remedy: known.remedy, exitCode: exit.failed };
    if (error instanceof ConcurrentUpdateError) {
      return {
        what: lastLines(stderr),
        remedy: "Wait until the other run has ended, and run the command again.",
        exitCode: exit.locked,
      };
    }
    const words = lastLines(stderr.trim() === "" ? stdout : stderr);
    return { what: `Pulumi failed:\n${words}`, exitCode: exit.failed };
  }
  if (error instanceof Error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC")
      return { what: diskIsFull.what, remedy: diskIsFull.remedy, exitCode: exit.failed };
    return {
      what: error.message,
      remedy:
        "This error was not foreseen. Run the command again with OMNIAI_DEBUG=1 to see where it happened.",
      exitCode: exit.failed,
    };
  }
  return { what: String(error), exitCode: exit.failed };
}
