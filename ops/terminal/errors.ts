/** What a person is told when something went wrong: what happened, to what, and what to do next. */
import { CommandError, ConcurrentUpdateError } from "@pulumi/pulumi/automation/index.js";

/** Exit codes of every command. */
export const EXIT = {
  ok: 0,
  /** Something failed: a container is unhealthy, an update did not go through, a part is missing. */
  failed: 1,
  /** The command line or the config is wrong; nothing was touched. */
  usage: 2,
  /** Somebody else holds the stack's lock. */
  locked: 3,
  /** A mandatory policy does not hold. */
  policy: 4,
  /** What runs is not what is declared. */
  drift: 5,
  /** 128 + SIGINT, as a shell has it. */
  interrupted: 130,
} as const;

/** An expected failure. It is shown without a stack trace. */
export class OpsError extends Error {
  override readonly name = "OpsError";
  readonly remedy: string;
  readonly exitCode: number;
  constructor(what: string, remedy: string, exitCode: number = EXIT.failed, options?: ErrorOptions) {
    super(what, options);
    this.remedy = remedy;
    this.exitCode = exitCode;
  }
}

/** A run that a person stopped. */
export class InterruptedError extends OpsError {
  constructor(what: string, remedy: string) {
    super(what, remedy, EXIT.interrupted);
  }
}

export interface Explanation {
  readonly what: string;
  readonly remedy?: string;
  readonly exitCode: number;
}

/** The last words of the Pulumi CLI, without progress and blank lines. */
export function lastWords(text: string, lines = 12): string {
  const meaningful = text
    .split("\n")
    .map((line) => line.trimEnd())
    // Pulumi's own launch messages say nothing about the failure.
    .filter((line) => line.trim() !== "" && !/^warning: using pulumi-/.test(line));
  return meaningful.slice(-lines).join("\n");
}

/** The two streams of a failed CLI run, out of the text that the Automation API makes of them. */
export function commandStreams(message: string): { stdout: string; stderr: string } {
  const match = /^code: .*?\n stdout: ([\s\S]*?)\n stderr: ([\s\S]*?)\n err\?: /.exec(message);
  return { stdout: match?.[1] ?? "", stderr: match?.[2] ?? message };
}

interface Rule {
  readonly pattern: RegExp;
  readonly what: string;
  readonly remedy: string;
  readonly exitCode?: number;
}

/** Failures of the CLI whose own words do not say what to do here. */
const RULES: readonly Rule[] = [
  {
    pattern: /incorrect passphrase|decryption failed|message authentication failed/i,
    what: "The secrets of this stack were encrypted with another passphrase than the one in use.",
    remedy:
      "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the stack's own passphrase. The one of this machine is .state/passphrase; " +
      "if that file was lost or replaced, bring it back from a copy.",
  },
  {
    pattern: /passphrase must be set with PULUMI_CONFIG_PASSPHRASE/i,
    what: "PULUMI_BACKEND_URL points to a state of your own, but no passphrase for its secrets is set.",
    remedy: "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE, or unset PULUMI_BACKEND_URL.",
  },
  {
    pattern: /PULUMI_ACCESS_TOKEN must be set|You must be logged in|invalid access token/i,
    what: "The state's backend wants a login.",
    remedy:
      "Run `pulumi login`, or set PULUMI_ACCESS_TOKEN, or unset PULUMI_BACKEND_URL to use the local state in .state.",
  },
  {
    pattern: /no space left on device/i,
    what: "The disk is full.",
    remedy:
      "Free space (`docker system df` shows what the engine holds), then run the command again: it goes on from here.",
  },
];

/** Turns any error into words. Pure, apart from the errors' own text. */
export function explain(error: unknown): Explanation {
  if (error instanceof OpsError)
    return { what: error.message, remedy: error.remedy, exitCode: error.exitCode };
  if (error instanceof Error && error.name === "ToolchainError") {
    const remedy = (error as Error & { remedy?: string }).remedy;
    const what = error.message.split("\n  ")[0] ?? error.message;
    return { what: remedy === undefined ? error.message : what, remedy, exitCode: EXIT.failed };
  }
  if (error instanceof CommandError) {
    const { stdout, stderr } = commandStreams(error.message);
    const text = `${stdout}\n${stderr}`;
    const rule = RULES.find(({ pattern }) => pattern.test(text));
    if (rule) return { what: rule.what, remedy: rule.remedy, exitCode: rule.exitCode ?? EXIT.failed };
    if (error instanceof ConcurrentUpdateError) {
      return {
        what: lastWords(stderr),
        remedy: "Wait for the other run to end and run the command again.",
        exitCode: EXIT.locked,
      };
    }
    const words = lastWords(stderr.trim() === "" ? stdout : stderr);
    return { what: `Pulumi failed:\n${words}`, exitCode: EXIT.failed };
  }
  if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOSPC")
      return { what: RULES[3]?.what ?? error.message, remedy: RULES[3]?.remedy, exitCode: 1 };
    return {
      what: error.message,
      remedy: "This was not foreseen. Run it again with OMNIAI_DEBUG=1 to see where it happened.",
      exitCode: EXIT.failed,
    };
  }
  return { what: String(error), exitCode: EXIT.failed };
}
