/** What the operator types: the list of all commands. Each has a file of its own, which is loaded when it is asked for. */
import { Argument, Command, CommanderError, Option } from "commander";
import { explainKept, type Flag } from "../tools/host/npm-flags.ts";
import { QUESTIONS } from "./commands/stack/questions.ts";
import { endAudit, publishAudit, signals } from "./stack/this-process.ts";
import { exit, explain, OpsError } from "./terminal/errors.ts";
import { acceptEmpty, json, lockWait, noInstall, wholeNumber, yes } from "./terminal/options.ts";
import { allWritten, note, paint } from "./terminal/output.ts";

const program = new Command("omniai")
  .description("Deploys and looks after the stacks of this project.")
  .showHelpAfterError("(--help says more)")
  .exitOverride();

const add = (name: string, description: string, parent = program): Command =>
  parent.command(name).description(description).exitOverride();
const addForStack = (name: string, description: string): Command =>
  add(name, description).option("--stack <name>", "the stack", "dev");

/** Runs a command out of its own file. */
const from =
  <Given extends unknown[]>(load: () => Promise<(...given: Given) => unknown>) =>
  async (...given: Given): Promise<void> =>
    void (await (
      await load()
    )(...given));

program.commandsGroup("Deploy:");

addForStack(
  "up",
  "Deploys the stack and sets up all that it needs; shows the progress, the URLs and the health of each container. Asks first unless the stack is dev.",
)
  .addOption(yes)
  .option(
    "--refresh",
    "ask the engine for drift first (the default), so that what was stopped or removed by hand comes back",
  )
  .option("--no-refresh", "trust the state about what is there")
  .addOption(acceptEmpty)
  .option("--move", "deploy to another engine than the one that the state knows")
  .addOption(lockWait)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/up.ts")).up));

addForStack("preview", "Shows what `up` would change.")
  .option("--diff", "show every changed property")
  .option("--refresh", "ask the engine for drift first")
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/preview.ts")).preview));

add("policy", "Checks each stack against the policies as it would be deployed, and deploys nothing.")
  .option("--stack <name>", "this stack only; default: every stack that has a file")
  .addOption(json)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/policy.ts")).policy));

addForStack("restart", "Replaces the containers of a workload one at a time: each new one is healthy first.")
  .option("--workload <name>", "which workload", "backend")
  .addOption(lockWait)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/restart.ts")).restart));

addForStack("rollback", "Goes back to a version that was good, from its kept image.")
  .argument("[to]", "its build, or how that begins; default: the last good version before this one")
  .option("--list", "show which versions there are, and change nothing")
  .option("--keep-config", "go back to that version's image only, with the config as it is now")
  .addOption(json)
  .addOption(lockWait)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/rollback.ts")).rollback));

addForStack("down", "Takes the stack down. Its data volumes stay, unless told otherwise.")
  .option(
    "--delete-data",
    "delete the data volumes as well, and the stack with them; backups are asked for separately",
  )
  .option("--delete-backups", "with --delete-data: delete the local backups too; copies off-site always stay")
  .addOption(yes)
  .option("--move", "take it down although the engine that the state knows is no more, or is another one")
  .option("--engine", "afterwards stop the Docker engine, if `npm run up` started it")
  .addOption(lockWait)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/down.ts")).down));

addForStack("maintenance", "Makes the edge answer the API with 503 and a message, until it is off again.")
  .addArgument(new Argument("<state>", "on or off").choices(["on", "off"]))
  .option("--message <text>", "what everybody is told")
  .action(from(async () => (await import("./commands/maintenance.ts")).maintenance));

addForStack(
  "adopt",
  "Makes a state for a stack whose state is lost, out of what is on its engine. Changes nothing there.",
)
  .addOption(lockWait)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/adopt/adopt.ts")).adopt));

addForStack("host", "Prepares the stack's remote machine (omniai:hostPrepare) and deploys nothing.")
  .addOption(yes)
  .addOption(lockWait)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/host.ts")).host));

addForStack(
  "move",
  "Takes a stack on one machine to another one, with its data: the bulk goes ahead while it serves, then it refuses for a moment.",
)
  .argument("[host]", "USER@HOST, ssh://USER@HOST:PORT, or an engine's address as DOCKER_HOST has it")
  .option("--host-key <key>", "one line of the machine's /etc/ssh/ssh_host_*_key.pub; default: known_hosts")
  .option("--max-downtime <seconds>", "do not begin to refuse if that would take longer", wholeNumber, 60)
  .option("--back", "give a move up that was broken off: the old machine serves again")
  .option(
    "--lost",
    "back: the new machine is gone for good, with what it acknowledged; finish: the old one is",
  )
  .option("--finish", "after a move: remove what is left on the old machine, with its data")
  .addOption(yes)
  .addOption(lockWait)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/move/move.ts")).move));

addForStack("node", "Adds a machine to the swarm over SSH, moves everything away from one, or removes one.")
  .addArgument(new Argument("<action>", "what to do").choices(["add", "drain", "remove"]))
  .argument("<host>", "add: USER@HOST or ssh://USER@HOST:PORT; else the node's name or address")
  .option(
    "--host-key <key>",
    "add: one line of the machine's /etc/ssh/ssh_host_*_key.pub; default: known_hosts",
  )
  .option("--advertise <address>", "add: where other nodes reach it, where it has several addresses")
  .option("--no-edge", "add: without an edge, so that it takes no requests from outside")
  .option("--lost", "remove: the machine is gone for good")
  .action(from(async () => (await import("./commands/node/node.ts")).node));

program.commandsGroup("Look:");

addForStack("status", "Shows the last update, the URLs, containers, volumes, and who works on the stack.")
  .addOption(json)
  .action(from(async () => (await import("./commands/status.ts")).status));

addForStack(
  "health",
  "Exits 0 only if every container of the stack is healthy; on a swarm, if every node answers as well.",
)
  .addOption(json)
  .action(from(async () => (await import("./commands/health.ts")).health));

addForStack("logs", "Shows what the containers write.")
  .argument("[workload]", "postgres, redis, backend, edge; default: all")
  .option("-f, --follow", "go on until Ctrl-C; containers that an update starts are followed too")
  .option("--tail <lines>", "how many of the last lines of each container", wholeNumber, 100)
  .option("--since <time>", "a span such as 10m, 2h, 1d, or a date")
  .option("--grep <text>", "only lines with this text, also of containers that are gone (with monitoring)")
  .addOption(
    new Option("--level <level>", "only lines of this level and above (with monitoring)").choices([
      ...["trace", "debug", "info", "warn", "error", "fatal"],
    ]),
  )
  .option("--request <id>", "only lines with this id of a request, trace or user (with monitoring)")
  .action(from(async () => (await import("./commands/logs.ts")).logs));

addForStack("outputs", "Shows the stack's outputs.")
  .option("--show-secrets", "show secrets in the clear")
  .addOption(json)
  .action(from(async () => (await import("./commands/outputs.ts")).showOutputs));

addForStack(
  "drift",
  "Exits 0 only if what runs is what is declared: compares the engine with the state, then previews after a refresh.",
)
  .addOption(json)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/drift/drift.ts")).drift));

addForStack("alerts", "Shows the alerts of a stack that is watched; tries whether messages arrive.")
  .addArgument(
    new Argument(
      "[action]",
      "list what fires; test sends a message to every receiver and waits for it; silence one alert; list the rules",
    )
      .choices(["list", "test", "silence", "rules"])
      .default("list"),
  )
  .argument("[name]", "for silence: which alert")
  .option("--for <span>", "for silence: how long, such as 30m, 2h, 1d (default: 2h)")
  .option("--comment <text>", "for silence: why")
  .addOption(json)
  .action(from(async () => (await import("./commands/alerts.ts")).alerts));

addForStack(
  "dashboards",
  "Shows the dashboards of a stack that is watched on a port of this machine, until Ctrl-C.",
)
  .option("--port <port>", "which port; 0 for any that is free", wholeNumber, 8428)
  .action(from(async () => (await import("./commands/dashboards.ts")).dashboards));

addForStack("history", "Shows who changed what on this stack, and with what result.")
  .option("--limit <changes>", "how many of the last changes", wholeNumber, 20)
  .addOption(json)
  .action(from(async () => (await import("./commands/history.ts")).history));

addForStack(
  "doctor",
  "Lists what the project needs on this machine, what is there, and what to do about the rest.",
)
  .addOption(json)
  .action(from(async () => (await import("./commands/doctor/doctor.ts")).doctor));

program.commandsGroup("Keep:");

addForStack("backup", "Takes a backup now and proves it by restoring it; or lists, proves and clears up.")
  .addArgument(
    new Argument(
      "[action]",
      "verify proves one again; prune removes what is no longer kept, and what is damaged; " +
        "off-site: key makes the key, fetch brings a copy back, check reads all of them",
    )
      .choices(["now", "list", "verify", "prune", "key", "fetch", "check"])
      .default("now"),
  )
  .option("--id <backup>", "for verify and fetch: which one; default: the newest")
  .option("--rotate", "for key: make another one, which takes the place of the one before")
  .addOption(json)
  .action(from(async () => (await import("./commands/backup/backup.ts")).backup));

addForStack(
  "restore",
  "Restores a backup beside what runs, and compares; with --replace in place of the stack's data, which is kept aside.",
)
  .option("--latest", "all that there is: the newest base backup and the log after it, else the newest dump")
  .option("--to <moment>", 'as it was then: "2026-11-22 14:03:00+01:00"')
  .option("--id <backup>", "as this backup has it; `npm run backup -- list` shows all")
  .option("--redis", "Redis instead of PostgreSQL: with --latest its newest copy; clients begin anew, once")
  .option("--replace", "put it in place of the stack's data; asks first")
  .addOption(yes)
  .addOption(json)
  .addOption(lockWait)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/restore/restore.ts")).restore));

addForStack(
  "upgrade",
  "Brings PostgreSQL's data to a newer major version: tried beside first, then in place; the old data is kept.",
)
  .addArgument(new Argument("<store>", "postgres").choices(["postgres"]))
  .argument("<version>", "the major version, such as 18", wholeNumber)
  .option("--image <name>", "the image of that version; default: omniai:postgresImage with the other number")
  .option("--rehearse", "only beside: change nothing of the stack")
  .addOption(yes)
  .addOption(json)
  .addOption(lockWait)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/upgrade/upgrade.ts")).upgrade));

const forBucket = (command: Command): Command =>
  command
    .option("--bucket <url>", "the bucket's address; default: the stack's omniai:offsiteBucket")
    .option("--region <name>", "the bucket's region; default: the stack's")
    .option("--access-key-id <id>", "an access key that may read the bucket; default: the stack's")
    .option("--authority <file>", "a certificate in PEM of the authority to believe; default: the stack's");

forBucket(
  addForStack(
    "drill",
    "Rebuilds the stack under another name from its copies off-site alone, compares, and reports RTO and RPO.",
  ),
)
  .option("--keep", "leave the drill's stack where it is")
  .addOption(json)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/drill/drill.ts")).drill));

forBucket(
  addForStack(
    "rebuild",
    "After the loss of its host: makes the stack anew from the bucket and the operator's key, in a fresh clone.",
  ),
)
  .addOption(yes)
  .addOption(json)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/rebuild/rebuild.ts")).rebuild));

program.commandsGroup("Set up:");

addForStack("user", "Adds and manages the users of the service.")
  .addArgument(
    new Argument(
      "<action>",
      "passwd ends all logins of the user; disable ends them too, with all tokens, and refuses new ones",
    ).choices(["add", "list", "passwd", "disable", "enable"]),
  )
  .argument("[name]", "3 to 64 letters, digits and any of . _ @ -; not for list")
  .option(
    "--scopes <list>",
    "for add: a list with commas of events:read, events:write, diag:read; default: the first two",
  )
  .option(
    "--password-stdin",
    "read the password from standard input; otherwise one is generated and shown once",
  )
  .addOption(json)
  .action(from(async () => (await import("./commands/user.ts")).user));

addForStack(
  "pages",
  "Renders the page of a stack: `build` writes its files and runtime-config.json into a folder.",
)
  .addArgument(new Argument("<action>", "what to do").choices(["build"]))
  .requiredOption("--out <dir>", "a folder that is empty or does not exist yet")
  .action(from(async () => (await import("./commands/pages.ts")).pages));

const stack = add("stack", "Makes, lists and pins the stacks of this project.");

const init = add(
  "init",
  "Asks what a new stack needs and has no default for, and writes its file; flags answer in advance.",
  stack,
)
  .argument("<name>", "the new stack")
  .option("--provider-key <name=file>", "the file with a provider's key")
  .addOption(yes)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/stack/init.ts")).init));
for (const { flag, ask } of QUESTIONS) init.option(`--${flag} <value>`, ask);

add("list", "Lists the stacks.", stack)
  .addOption(json)
  .action(from(async () => (await import("./commands/stack/list.ts")).list));

add("unlock", "Removes the lock that a lost run has left on a stack, in a backend that is no folder.", stack)
  .argument("<name>", "the stack")
  .addOption(yes)
  .addOption(noInstall)
  .action(from(async () => (await import("./commands/stack/unlock.ts")).unlock));

add("pin", "Writes the digest that each image's tag stands for now into the stack's file.", stack)
  .argument("<name>", "the stack")
  .action(from(async () => (await import("./commands/stack/pin.ts")).pinImages));

/** The flags of a command and of those below it. */
const flagsOf = (command: Command): Flag[] => [
  ...command.options.flatMap(({ long, short, required, flags }) =>
    long == null
      ? []
      : [
          {
            name: long.slice(2),
            ...(required ? { value: /<(.+)>/.exec(flags)?.[1] } : {}),
            ...(short == null ? {} : { letter: short.slice(1) }),
          },
        ],
  ),
  ...command.commands.flatMap(flagsOf),
];

/** Without its flags a command does something else: `npm run down --stack=staging` would take down dev. @throws OpsError */
function refuseLostFlags([script, ...args]: readonly string[]): void {
  const called = program.commands.find((command) => command.name() === script);
  if (script === undefined || called === undefined) return;
  const own = new Set(flagsOf(called).map(({ name }) => name));
  const flags = flagsOf(program).map((flag) => ({ ...flag, ofAnother: !own.has(flag.name) }));
  const lost = explainKept(script, flags, args, process.env);
  if (lost !== undefined) throw new OpsError(lost.what, lost.remedy, exit.usage);
}

/** The one place where an error becomes words and an exit code. */
function fail(error: unknown): number {
  // Commander has printed its own errors already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exit.ok : exit.usage;
  if (process.env["OMNIAI_DEBUG"])
    note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const { what, remedy, exitCode } = explain(error);
  note();
  note(paint(["bold", "red"], what, process.stderr));
  if (remedy !== undefined) note(`  ${remedy}`);
  return exitCode;
}

// The reader of the output may go away (`| head`, a closed terminal); the run itself still goes on to its end.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

signals.listen();
let exitCode: number = exit.ok;
try {
  refuseLostFlags(process.argv.slice(2));
  await program.parseAsync();
  endAudit("succeeded");
} catch (error) {
  exitCode = fail(error);
  endAudit(exitCode === exit.interrupted ? "interrupted" : "failed", explain(error).what);
}
await publishAudit();
signals.leave();
signals.over(() => process.exit(exitCode));
await allWritten();
// The engine's connections would keep the process alive for some seconds more.
process.exit(exitCode);
