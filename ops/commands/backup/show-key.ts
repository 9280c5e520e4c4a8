/**
 * `npm run backup -- key`: makes the operator's key, sets it in the stack's file and shows it once; later only its id. With
 * --rotate it makes another one, which the copies then open with.
 */
import { ROOM_PROGRAM } from "../../../infra/components/backup/image.ts";
import { askRoom, parseEvent, requireRoom, type RoomStatus } from "../../engine/backup-room.ts";
import { execIn } from "../../engine/exec.ts";
import { openEngine } from "../../stack/look.ts";
import { setSecrets } from "../stack/secrets.ts";
import { isEncrypted, ownKeys } from "../../stack/config-files.ts";
import { findPlace, ROOT, type CommonOptions, type Place } from "../../stack/place.ts";
import { secretReader } from "../../stack/session.ts";
import { signals } from "../../stack/this-process.ts";
import { prepareTools } from "../../stack/toolchain.ts";
import { OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { paint, print, printJson } from "../../terminal/output.ts";
import { keyId, makeKey, parseKey } from "./key.ts";

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
    const newest = await keyOfNewestCopy(place, options);
    if (options.json) return printJson({ stack, id, created: false, newestCopy: newest });
    print(
      `Stack ${stack} has the key with the id ${paint("bold", id)}; it was shown when it was made, and is not shown again.`,
    );
    if (newest !== undefined && newest !== id)
      print(
        `The newest copy was sent with the key with the id ${paint("bold", newest)}, which goes on opening all copies until one is sent with ` +
          `the stack's: ${npmRun("up", stack)}, and then ${npmRun("backup", stack)}.`,
      );
    return;
  }
  const key = given === undefined ? makeKey() : parseKey(given);
  signals.begin({ title: "keeping the key" });
  if (given !== undefined) {
    await keep(place, key);
    if (options.json) printJson({ stack, id: keyId(key), created: true, key });
    else print(`Stack ${stack} has the key with the id ${keyId(key)} now. Deploy it: ${npmRun("up", stack)}`);
    return;
  }
  await showAndKeep(place, options, key);
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
  const { docker } = await openEngine(place, options);
  signals.begin({ title: "adding the new key to the copies off-site" });
  const { exitCode, output } = await execIn(
    docker,
    await requireRoom(docker, stack),
    [...ROOM_PROGRAM, "rekey"],
    { input: key },
  );
  const last = output.trim().split("\n").map(parseEvent).at(-1);
  if (exitCode !== 0 || last?.event !== "done")
    throw new OpsError(
      `The copies off-site did not take another key: ${last?.event === "error" ? last.what : output.trim()}`,
      last?.event === "error" ? last.remedy : "Nothing was changed. Run this again.",
    );
  signals.begin({ title: "keeping the key" });
  await showAndKeep(place, options, key, former);
  if (options.json) return;
  print(
    `Until then the copies go on with the former key (id ${former}). The first copy after it takes the former key away;`,
  );
  print(
    "keep its paper as long as copies from before are kept: the stack's state within them opens with it alone.",
  );
}

/**
 * Shown first: a run that is killed in between leaves a paper with a key that nothing needs yet, and never a stack whose key nobody has
 * seen.
 */
async function showAndKeep(
  place: Place,
  { json }: CommonOptions,
  key: string,
  former?: string,
): Promise<void> {
  const { stack } = place;
  const id = keyId(key);
  if (json) printJson({ stack, id, created: true, former, key });
  else explain(stack, key);
  try {
    await keep(place, key);
  } catch (error) {
    throw new OpsError(
      `The key that was shown (id ${id}) could not be set in Pulumi.${stack}.yaml, so it is not the stack's` +
        `${former === undefined ? "" : `; the copies go on with the former key (id ${former})`}: ${(error as Error).message}`,
      "Throw away what was written down of it, correct the cause, and run the command again: it makes another.",
      undefined,
      { cause: error },
    );
  }
  if (!json) print(`It is set in Pulumi.${stack}.yaml, encrypted. Deploy it: ${npmRun("up", stack)}`);
}

/** The id of the key that the newest copy was sent with; undefined where there is none, or where nobody answers. */
async function keyOfNewestCopy(place: Place, options: CommonOptions): Promise<string | undefined> {
  try {
    const { docker } = await openEngine(place, options);
    const room = await requireRoom(docker, place.stack);
    const { status } = await askRoom<{ status: RoomStatus }>(docker, room, ["status"]);
    return status.offsite?.last?.key;
  } catch {
    return undefined;
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

async function keep({ stack, backend, context }: Place, key: string): Promise<void> {
  const { env, pulumi } = await prepareTools(context, "elsewhere");
  setSecrets({ root: ROOT, stack, backend, env, pulumi: pulumi.command }, [
    { path: "omniai:offsiteKey", value: key },
  ]);
}

function explain(stack: string, key: string): void {
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
