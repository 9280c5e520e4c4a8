/**
 * `npm run rollback`: goes back to a version that was good, from its kept image, the same way as a deploy: new replicas
 * are healthy before the edge is switched to them and the old ones leave. It covers the service's image and the stack's
 * config. The program, the images of other workloads and the database stay as they are: migrations only go forward, and
 * are written so that the version before them works with them too (docs/decisions/0018-rollback.md).
 */
import { isDeepStrictEqual } from "node:util";
import type Docker from "dockerode";
import { stackChanges } from "../stack/changes.ts";
import type { Values } from "../stack/config-files.ts";
import { deploy, policiesAreMandatory, prepare, summarise } from "../stack/deploy.ts";
import { removeObsolete } from "../stack/images.ts";
import { findPlace, type CommonOptions, type Place } from "../stack/place.ts";
import { openEngine } from "../stack/look.ts";
import type { StackHandle } from "../stack/open-stack.ts";
import { RunFailed, runPreview } from "../stack/run.ts";
import { openSession, type Session } from "../stack/session.ts";
import { say } from "../stack/this-process.ts";
import {
  configChanges,
  committedConfig,
  goodVersions,
  hasImage,
  lastGood,
  type GoodVersion,
} from "../stack/versions.ts";
import { knownConfig, onPresentHost, useVersion } from "../stack/use-version.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { ago, paint, print, printJson, table } from "../terminal/output.ts";

export interface RollbackOptions extends CommonOptions {
  readonly list?: boolean;
  readonly keepConfig?: boolean;
}

export async function rollback(to: string | undefined, options: RollbackOptions): Promise<void> {
  if (options.list) return list(options);
  const session = await openSession(options, { create: false, lock: "rollback" });
  const { docker, stack, audit } = session;
  const version = await choose(to, session, docker);
  const present = committedConfig(session);
  const config: Values = options.keepConfig
    ? present
    : onPresentHost(version.config, present, session.settings.project);
  audit?.note({ to: version.build });
  for (const change of configChanges(present, config)) say(`The config goes back as well: ${change}`);
  const known = knownConfig(session, config) ?? session.settings.config;
  await prepare(session, undefined, known);
  const pulumiOptions = useVersion(session, { ...version, config });
  if (policiesAreMandatory(stack, known))
    await checkPolicies(session, pulumiOptions, options.keepConfig === true);
  print(paint("bold", `Rolling stack ${stack} back to ${version.build}`));
  const outputs = await deploy(session, {
    title: `rolling back stack ${stack}`,
    options: pulumiOptions,
    refresh: false,
  });
  audit?.note({ version: { build: version.build, imageId: version.imageId, config } });
  await summarise(session, outputs);
  await removeObsolete(session);
  print(
    `Stack ${stack} is back at ${version.build}. The next \`${npmRun("up", stack)}\` goes forward to the sources again.`,
  );
}

/**
 * A preview for the policies alone. The config that a version had may break a rule of today, and the update would find that
 * half-way. @throws OpsError
 */
export async function checkPolicies(
  { stack, handle }: Pick<Session, "stack" | "handle">,
  pulumiOptions: StackHandle["options"],
  keepsConfig: boolean,
): Promise<void> {
  try {
    await runPreview(handle, {
      title: `checking stack ${stack} against its policies`,
      options: pulumiOptions,
    });
  } catch (error) {
    if (!(error instanceof RunFailed) || error.exitCode !== exit.policy || keepsConfig) throw error;
    throw new OpsError(
      `${error.message} Nothing was changed.`,
      `If it is the former config that does not hold, go back to the image alone: ${npmRun("rollback", stack, "--keep-config")}\n  ${error.remedy}`,
      exit.policy,
      { cause: error },
    );
  }
}

/** The version to go back to. @throws OpsError that says which versions there are */
async function choose(to: string | undefined, place: Place, docker: Docker): Promise<GoodVersion> {
  const changes = await stackChanges(docker, place);
  const versions = goodVersions(changes);
  const found = to === undefined ? lastGood(changes) : versions.find(({ build }) => build.startsWith(to));
  const known = versions.map(({ build }) => build).join(", ") || "none";
  const list = npmRun("rollback", place.stack, "--list");
  if (found === undefined) {
    throw new OpsError(
      to === undefined
        ? `Stack ${place.stack} has no version to go back to. Good versions: ${known}.`
        : `Stack ${place.stack} has never had a good version "${to}". Good versions: ${known}.`,
      `\`${list}\` shows them with their times.`,
      exit.usage,
    );
  }
  if (await hasImage(docker, found.build)) return found;
  throw new OpsError(
    `The image of ${found.build} is no longer on the engine.`,
    `\`${list}\` shows which images are. To deploy that version again, check out its sources and run \`${npmRun("up", place.stack)}\`.`,
  );
}

async function list(options: RollbackOptions): Promise<void> {
  const place = findPlace(options);
  const { docker } = await openEngine(place, options);
  const versions = goodVersions(await stackChanges(docker, place));
  const [current] = versions;
  const rows = await Promise.all(
    versions.map(async (version) => ({
      build: version.build,
      imageId: version.imageId,
      imageKept: await hasImage(docker, version.build),
      time: version.change.time,
      who: version.change.who,
      action: version.change.action,
      current: version === current,
      sameConfig: isDeepStrictEqual(version.config, current?.config),
    })),
  );
  if (options.json) return printJson(rows);
  for (const line of table(
    rows.map((row) => [
      row.current ? paint("green", "→") : " ",
      row.build,
      row.imageKept ? row.imageId.replace(/^sha256:/, "").slice(0, 12) : "(image is gone)",
      `${row.time.slice(0, 19).replace("T", " ")} (${ago(new Date(row.time))})`,
      `${row.action} by ${row.who}`,
      row.current ? "serves now" : row.sameConfig ? "" : "other config",
    ]),
  ))
    print(line);
  if (rows.length === 0) print(`No good version of stack ${place.stack} is known.`);
}
