/** What the operator types: one command each in its own file, loaded when it is asked for. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { DownOptions } from "./commands/down.ts";
import type { HistoryOptions } from "./commands/history.ts";
import type { MaintenanceOptions } from "./commands/maintenance.ts";
import type { RollbackOptions } from "./commands/rollback.ts";
import { EXIT, explain } from "./terminal/errors.ts";
import type { HostOptions } from "./commands/host.ts";
import type { LogsOptions } from "./commands/logs.ts";
import { note, paint } from "./terminal/output.ts";
import type { OutputsOptions } from "./commands/outputs.ts";
import type { PolicyOptions } from "./commands/policy.ts";
import type { PagesOptions } from "./commands/pages.ts";
import type { PreviewOptions } from "./commands/preview.ts";
import type { RestartOptions } from "./commands/restart.ts";
import type { InitOptions } from "./commands/stack/init.ts";
import { QUESTIONS } from "./commands/stack/questions.ts";
import { endAudit, signals, type CommonOptions } from "./stack/session.ts";
import type { UpOptions } from "./commands/up.ts";
import type { UserOptions } from "./commands/user.ts";

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
  .action(async (options: UpOptions) => (await import("./commands/up.ts")).up(options));

add("preview", "Shows what `up` would change.")
  .option("--diff", "show every changed property")
  .option("--refresh", "ask the engine for drift first")
  .addOption(noInstall)
  .action(async (options: PreviewOptions) => (await import("./commands/preview.ts")).preview(options));

program
  .command("policy")
  .description("Checks what each stack would be against the policies, and deploys nothing.")
  .option("--stack <name>", "this stack alone; default: every stack that has a file")
  .addOption(json)
  .addOption(noInstall)
  .exitOverride()
  .action(async (options: PolicyOptions) => (await import("./commands/policy.ts")).policy(options));

add("down", "Takes the stack down. Its data volumes stay, unless told otherwise.")
  .option("--delete-data", "delete the data volumes as well, and the stack with them")
  .addOption(yes)
  .option("--engine", "stop the Docker engine afterwards, if it was started by `npm run up`")
  .addOption(lockWait)
  .addOption(noInstall)
  .action(async (options: DownOptions) => (await import("./commands/down.ts")).down(options));

add(
  "restart",
  "Replaces the containers of a workload one at a time: the new one is healthy before the old one goes.",
)
  .option("--workload <name>", "which workload", "backend")
  .addOption(lockWait)
  .addOption(noInstall)
  .action(async (options: RestartOptions) => (await import("./commands/restart.ts")).restart(options));

add(
  "drift",
  "Exits 0 only if what runs is what is declared: a preview after a refresh, and a look at what the provider cannot see.",
)
  .addOption(json)
  .addOption(noInstall)
  .action(async (options: CommonOptions) => (await import("./commands/drift/drift.ts")).drift(options));
add("rollback", "Goes back to a version that was good, from the image that was kept.")
  .argument("[to]", "its build, or how that begins; default: the last good version before this one")
  .option("--list", "show what there is to go back to, and change nothing")
  .option("--keep-config", "go back to that version's image only, with the config as it is now")
  .addOption(json)
  .addOption(lockWait)
  .addOption(noInstall)
  .action(async (to: string | undefined, options: RollbackOptions) =>
    (await import("./commands/rollback.ts")).rollback(to, options),
  );

add("maintenance", "Has the edge answer the API with 503 and a message, until it is off again.")
  .addArgument(new Argument("<state>", "on or off").choices(["on", "off"]))
  .option("--message <text>", "what everybody is told")
  .action(async (state: string, options: MaintenanceOptions) =>
    (await import("./commands/maintenance.ts")).maintenance(state, options),
  );

add("history", "Shows who changed what on this stack from here, with its result.")
  .option("--limit <changes>", "the last ones", wholeNumber, 20)
  .addOption(json)
  .action(async (options: HistoryOptions) => (await import("./commands/history.ts")).history(options));

add("status", "Shows the last update, the URLs, containers, volumes, and who works on the stack.")
  .addOption(json)
  .action(async (options: CommonOptions) => (await import("./commands/status.ts")).status(options));

add("outputs", "Shows the stack's outputs.")
  .option("--show-secrets", "show secrets in the clear")
  .addOption(json)
  .action(async (options: OutputsOptions) => (await import("./commands/outputs.ts")).outputs(options));

add("logs", "Shows what the containers write.")
  .argument("[workload]", "postgres, redis, backend, edge; default: all")
  .option("-f, --follow", "go on until Ctrl-C; containers that an update starts are followed too")
  .option("--tail <lines>", "the last lines of each container", wholeNumber, 100)
  .option("--since <time>", "a span such as 10m, 2h, 1d, or a date")
  .action(async (workload: string | undefined, options: LogsOptions) =>
    (await import("./commands/logs.ts")).logs(workload, options),
  );

add("health", "Exits 0 only if every container of the stack is healthy.")
  .addOption(json)
  .action(async (options: CommonOptions) => (await import("./commands/health.ts")).health(options));

add("user", "Says who may use the service.")
  .addArgument(
    new Argument(
      "<action>",
      "passwd ends all of the user's logins; disable ends everything of theirs and lets them in no more",
    ).choices(["add", "list", "passwd", "disable", "enable"]),
  )
  .argument("[name]", "3 to 64 letters, digits and any of . _ @ -; not for list")
  .option("--scopes <list>", "for add: by commas, of events:read, events:write, diag:read; the first two")
  .option(
    "--password-stdin",
    "read the password from standard input; without it one is generated and shown once",
  )
  .addOption(json)
  .action(async (action: string, name: string | undefined, options: UserOptions) =>
    (await import("./commands/user.ts")).user(action, name, options),
  );

add("host", "Prepares the stack's remote machine (omniai:hostPrepare) and deploys nothing.")
  .addOption(yes)
  .addOption(lockWait)
  .addOption(noInstall)
  .action(async (options: HostOptions) => (await import("./commands/host.ts")).host(options));

const stack = program
  .command("stack")
  .description("Makes, lists and pins the stacks of this project.")
  .exitOverride();

const initCommand = stack
  .command("init")
  .description(
    "Asks what a new stack needs and has no default for, and writes its file; flags answer in advance.",
  )
  .argument("<name>", "the new stack")
  .option("--provider-key <name=file>", "the file with a provider's key")
  .addOption(yes)
  .addOption(noInstall)
  .exitOverride()
  .action(async (name: string, options: InitOptions) =>
    (await import("./commands/stack/init.ts")).init(name, options),
  );
for (const { flag, ask: text } of QUESTIONS) initCommand.option(`--${flag} <value>`, text);

stack
  .command("list")
  .description("Lists the stacks.")
  .addOption(json)
  .exitOverride()
  .action(async (options: CommonOptions) => (await import("./commands/stack/list.ts")).list(options));

stack
  .command("pin")
  .description("Writes the digest that each image's tag stands for now into the stack's file.")
  .argument("<name>", "the stack")
  .exitOverride()
  .action(async (name: string) => (await import("./commands/stack/pin.ts")).pin(name));

add("doctor", "Lists what the project needs on this machine, what is there, and what to do about the rest.")
  .addOption(json)
  .action(async (options: CommonOptions) => (await import("./commands/doctor/doctor.ts")).doctor(options));

add(
  "pages",
  "Renders the page of a stack: `build` writes its files and its runtime-config.json into a folder.",
)
  .addArgument(new Argument("<action>", "what to do").choices(["build"]))
  .requiredOption("--out <dir>", "an empty folder, or one that is not there yet")
  .action(async (_action: string, options: PagesOptions) => (await import("./commands/pages.ts")).buildPages(options));

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

signals.listen();
let exitCode: number = EXIT.ok;
try {
  await program.parseAsync();
  endAudit("succeeded");
} catch (error) {
  exitCode = fail(error);
  endAudit(exitCode === EXIT.interrupted ? "interrupted" : "failed", explain(error).what);
}
signals.leave();
// The engine's connections would keep the process alive for some seconds more.
process.exit(exitCode);
