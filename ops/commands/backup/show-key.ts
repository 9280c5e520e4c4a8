/**
 * `npm run backup -- key`: makes the operator's key, sets it in the stack's file and shows it once; later only its id. With
 * --rotate it makes another one, which the copies then open with.
 */
import type Docker from "dockerode";
import { askRoom, requireRoom, type RoomStatus } from "../../engine/backup-room.ts";
import { openEngine } from "../../stack/look.ts";
import { setSecrets } from "../stack/secrets.ts";
import { isEncrypted, ownKeys } from "../../stack/config-files.ts";
import { findPlace, ROOT, type CommonOptions, type Place } from "../../stack/place.ts";
import { secretReader } from "../../stack/session.ts";
import { signals } from "../../stack/this-process.ts";
import { prepareTools } from "../../stack/toolchain.ts";
import { explain, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { note, paint, print, printJson } from "../../terminal/output.ts";
import { undivided } from "../../terminal/signals.ts";
import { keyId, makeKey, parseKey } from "./key.ts";
import { showEvents } from "./progress.ts";

/** A key that is there already, for a stack that goes on with the copies of another machine. */
const GIVEN = "OMNIAI_OFFSITE_KEY";

export async function showKey(options: CommonOptions & { readonly rotate?: boolean }): Promise<void> {
  const place = findPlace(options);
  const { stack } = place;
  if (options.rotate) return rotate(place, options);
  const given = process.env[GIVEN];
  if (hasKey(place)) {
    const id = await idOf(options);
    if (given !== undefined && keyId(parseKey(given)) !== id)
      throw new OpsError(
        `Stack ${stack} has another key already (id ${id}), with which its copies are encrypted.`,
        `To change it, remove omniai:offsiteKey from Pulumi.${stack}.yaml and name another folder in omniai:offsiteBucket first.`,
      );
    return showIds(place, options, id);
  }
  const key = given === undefined ? makeKey() : parseKey(given);
  const keep = await keeper(place);
  if (given !== undefined) {
    signals.begin(undivided("keeping the key"));
    await keep(key);
    if (options.json) printJson({ stack, id: keyId(key), created: true, key });
    else print(`Stack ${stack} has the key with the id ${keyId(key)} now. Deploy it: ${npmRun("up", stack)}`);
    return;
  }
  await showAndKeep(place, options, keep, key);
}

/** The stack's own, before anybody is asked: a host that is away lets who asks wait. */
async function showIds(place: Place, options: CommonOptions, id: string): Promise<void> {
  const { stack } = place;
  if (!options.json)
    print(
      `Stack ${stack} has the key with the id ${paint("bold", id)}; it was shown when it was made, and is not shown again.`,
    );
  const { id: newest, notAsked } = await keyOfNewestCopy(place, options);
  if (options.json) return printJson({ stack, id, created: false, newestCopy: newest, notAsked });
  if (notAsked !== undefined) note(`With which key the newest copy was sent could not be asked: ${notAsked}`);
  if (newest === undefined || newest === id) return;
  print(
    `The newest copy was sent with another key, with the id ${paint("bold", newest)}, which goes on opening all copies until one is sent with ` +
      `the stack's: ${npmRun("up", stack)}, and then ${npmRun("backup", stack)}. From then on the stack's counts; keep both papers.`,
  );
}

/** The new key opens the repository before the stack is told of it, and the old one until a copy was sent with the new one. */
async function rotate(place: Place, options: CommonOptions): Promise<void> {
  const { stack } = place;
  if (!hasKey(place))
    throw new OpsError(
      `Stack ${stack} has no key that could give way to another.`,
      `Make one: ${npmRun("backup", stack, "key")}`,
    );
  const former = await idOf(options);
  const key = makeKey();
  const keep = await keeper(place);
  const { docker } = await openEngine(place, options);
  const room = await requireRoom(docker, stack);
  signals.begin({ title: "adding the new key to the copies off-site" });
  await addKey(docker, room, key);
  await showAndKeep(place, options, keep, key, former);
  if (options.json) return;
  print(
    `Until then the copies go on with the former key (id ${former}). The first copy after it takes the former key away;`,
  );
  print(
    "keep its paper as long as copies from before are kept: the stack's state within them opens with it alone.",
  );
}

/** A copy that is under way is waited for, which may take minutes: the room says so. @throws OpsError */
async function addKey(docker: Docker, room: string, key: string): Promise<void> {
  try {
    await askRoom(docker, room, ["rekey"], showEvents(), key);
  } catch (error) {
    if (!(error instanceof OpsError)) throw error;
    throw new OpsError(
      `The copies off-site did not take another key: ${error.message}`,
      error.remedy,
      error.exitCode,
      { cause: error },
    );
  }
}

/**
 * Shown first: a run that is killed in between leaves a paper with a key that nothing needs yet, and never a stack whose key nobody has
 * seen.
 */
async function showAndKeep(
  { stack }: Place,
  options: CommonOptions,
  keep: Keep,
  key: string,
  former?: string,
): Promise<void> {
  const { json } = options;
  const id = keyId(key);
  if (json) printJson({ stack, id, created: true, former, key });
  else printKey(stack, key);
  signals.begin(undivided("keeping the key"));
  try {
    await keep(key);
  } catch (error) {
    const { what } = explain(error);
    if (await isUnset(options, id))
      throw new OpsError(
        `The key that was shown (id ${id}) could not be set in Pulumi.${stack}.yaml, so it is not the stack's` +
          `${former === undefined ? "" : `; the copies go on with the former key (id ${former})`}: ${what}`,
        "Throw away what was written down of it, correct the cause, and run the command again: it makes another.",
        undefined,
        { cause: error },
      );
    throw new OpsError(
      `Setting the key that was shown (id ${id}) in Pulumi.${stack}.yaml failed, and it may be set all the same: ${what}`,
      `Keep what was written down of it${former === undefined ? "" : `, and the paper of the former key (id ${former})`}, until this names ` +
        `the id that counts: ${npmRun("backup", stack, "key")}`,
      undefined,
      { cause: error },
    );
  }
  if (!json) print(`It is set in Pulumi.${stack}.yaml, encrypted. Deploy it: ${npmRun("up", stack)}`);
}

/**
 * Whether the stack's file is known to have another key than this one, or none. What has failed may have written it all the same, and the
 * next deploy would take the former key away: then this paper alone opens the copies.
 */
async function isUnset(options: CommonOptions, id: string): Promise<boolean> {
  try {
    return !hasKey(findPlace(options)) || (await idOf(options)) !== id;
  } catch {
    return false;
  }
}

interface NewestKey {
  /** Of the key that the newest copy was sent with; undefined where there is no copy. */
  readonly id?: string;
  /** Why nobody could say. */
  readonly notAsked?: string;
}

async function keyOfNewestCopy(place: Place, options: CommonOptions): Promise<NewestKey> {
  try {
    const { docker } = await openEngine(place, options);
    const room = await requireRoom(docker, place.stack);
    const { status } = await askRoom<{ status: RoomStatus }>(docker, room, ["status"]);
    return { id: status.offsite?.last?.key };
  } catch (error) {
    return { notAsked: explain(error).what };
  }
}

const hasKey = ({ settings }: Place): boolean =>
  isEncrypted(ownKeys(settings.stackFile?.["config"], settings.project)["offsiteKey"]);

async function idOf(options: CommonOptions): Promise<string> {
  const key = await secretReader(options)("offsiteKey");
  if (key !== undefined) return keyId(key);
  throw new OpsError(
    `Stack ${options.stack} has a key, and this machine cannot decrypt it.`,
    "Run this where the stack's passphrase is (PULUMI_CONFIG_PASSPHRASE), or see npm run status, which shows the id of the key that the newest copy has.",
  );
}

type Keep = (key: string) => Promise<void>;

/** What sets a key in the stack's file. The tools are there before a key is shown: without them nobody could set it. */
async function keeper({ stack, backend, context }: Place): Promise<Keep> {
  signals.begin({ title: "making the tools ready" });
  const { env, pulumi } = await prepareTools(context, "elsewhere");
  return (key) =>
    setSecrets({ root: ROOT, stack, backend, env, pulumi: pulumi.command }, [
      { path: "omniai:offsiteKey", value: key },
    ]);
}

function printKey(stack: string, key: string): void {
  print(`The key of the copies off-site of stack ${stack} (id ${keyId(key)}):`);
  print();
  print(`  ${paint("bold", key)}`);
  print();
  print(
    "It is shown this once. Whoever has it and the bucket has all of the data and all secrets of the stack;",
  );
  print("without it, nobody can read a copy again, also not you.");
  print(
    "  1. Print it or write it down, and keep it where the host and this machine are not: in a safe, and in a",
  );
  print("     password manager that still opens when both are gone. Two places, not one.");
  print(
    "  2. Keep with it: the bucket's address, the stack's name, and an access key that may read the bucket.",
  );
  print(`  3. Try it: ${npmRun("drill", stack)} rebuilds the stack beside from nothing else.`);
}
