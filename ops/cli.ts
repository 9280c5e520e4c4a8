/** What the operator types: one command each in its own file, loaded when it is asked for. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { DownOptions } from "./down.ts";
import { EXIT, explain } from "./errors.ts";
import type { LogsOptions } from "./logs.ts";
import { note, paint } from "./output.ts";
import type { OutputsOptions } from "./outputs.ts";
import type { PreviewOptions } from "./preview.ts";
import type { RestartOptions } from "./restart.ts";
import { interrupts, type CommonOptions } from "./session.ts";
import type { UpOptions } from "./up.ts";

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError("It must be a whole number.");
  return value;
}

const program = new Command("omniai")
  .description("Deploys and looks after the stacks of this project.")
  .showHelpAfterError("(--help says more)")
  .exitOverride();

/** A command with the options that all have. */
const add = (name: string, description: string): Command =>
  program.command(name).description(description).option("--stack <name>", "the stack", "dev").exitOverride();

const noInstall = new Option("--no-install", "install nothing: refuse and say what is missing");
const json = new Option("--json", "print JSON, and nothing else, on standard output");
const yes = new Option("--yes", "do not ask");
const lockWait = new Option("--lock-wait <seconds>", "how long to wait for another run of the same stack")
  .argParser(wholeNumber)
  .default(600);

add(
  "up",
  "Deploys the stack: does all set-up, shows the progress, then the URLs and the health of each container. Asks first unless the stack is dev.",
)
  .addOption(yes)
  .option(
    "--refresh",
    "ask the engine for drift first (the default), so that what was stopped or removed by hand is healed",
  )
  .option("--no-refresh", "take the state's word for what is there")
  .addOption(lockWait)
  .addOption(noInstall)
  .action(async (options: UpOptions) => (await import("./up.ts")).up(options));

add("preview", "Shows what `up` would change.")
  .option("--diff", "show every changed property")
  .option("--refresh", "ask the engine for drift first")
  .addOption(noInstall)
  .action(async (options: PreviewOptions) => (await import("./preview.ts")).preview(options));

add("down", "Takes the stack down. Its data volumes stay, unless told otherwise.")
  .option("--delete-data", "delete the data volumes as well, and the stack with them")
  .addOption(yes)
  .option("--engine", "stop the Docker engine afterwards, if it was started by `npm run up`")
  .addOption(lockWait)
  .addOption(noInstall)
  .action(async (options: DownOptions) => (await import("./down.ts")).down(options));

add(
  "restart",
  "Replaces the containers of a workload one at a time: the new one is healthy before the old one goes.",
)
  .option("--workload <name>", "which workload", "backend")
  .addOption(lockWait)
  .addOption(noInstall)
  .action(async (options: RestartOptions) => (await import("./restart.ts")).restart(options));

add("status", "Shows the last update, the URLs, containers, volumes, and who works on the stack.")
  .addOption(json)
  .action(async (options: CommonOptions) => (await import("./status.ts")).status(options));

add("outputs", "Shows the stack's outputs.")
  .option("--show-secrets", "show secrets in the clear")
  .addOption(json)
  .action(async (options: OutputsOptions) => (await import("./outputs.ts")).outputs(options));

add("logs", "Shows what the containers write.")
  .argument("[workload]", "postgres, redis, backend, edge; default: all")
  .option("-f, --follow", "go on until Ctrl-C; containers that an update starts are followed too")
  .option("--tail <lines>", "the last lines of each container", wholeNumber, 100)
  .option("--since <time>", "a span such as 10m, 2h, 1d, or a date")
  .action(async (workload: string | undefined, options: LogsOptions) =>
    (await import("./logs.ts")).logs(workload, options),
  );

add("health", "Exits 0 only if every container of the stack is healthy.")
  .addOption(json)
  .action(async (options: CommonOptions) => (await import("./health.ts")).health(options));

add("doctor", "Lists what the project needs on this machine, what is there, and what to do about the rest.")
  .addOption(json)
  .action(async (options: CommonOptions) => (await import("./doctor.ts")).doctor(options));

/** The one place where an error becomes words and an exit code. */
function fail(error: unknown): number {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (process.env["OMNIAI_DEBUG"])
    note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const { what, remedy, exitCode } = explain(error);
  note();
  note(paint(["bold", "red"], what, process.stderr));
  if (remedy !== undefined) note(`  ${remedy}`);
  return exitCode;
}

// Whoever reads the output may go away (`| head`, a closed terminal); the run itself goes on to its end.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

interrupts.listen();
let exitCode: number = EXIT.ok;
try {
  await program.parseAsync();
} catch (error) {
  exitCode = fail(error);
}
interrupts.leave();
// The engine's connections would keep the process alive for some seconds more.
process.exit(exitCode);
