/**
 * `npm run rollback`: back to a version that was good, from the image that was kept, by the same way as a deploy: new
 * replicas are healthy before the edge is switched to them and the others go. It covers the service's image and the
 * stack's config. The program, the images of other workloads by tag, and the database stay as they are: migrations go
 * forward only, and are written so that the version before can live with them.
 */
import { isDeepStrictEqual } from "node:util";
import type Docker from "dockerode";
import { readChanges } from "../stack/audit.ts";
import { EXIT, OpsError } from "../terminal/errors.ts";
import { ago, paint, print, printJson, table } from "../terminal/output.ts";
import { findPlace, openEngine, openSession, say, type CommonOptions, type Place } from "../stack/session.ts";
import type { Values } from "../stack/settings.ts";
import { deploy, prepare, summarise } from "./up.ts";
import {
  configChanges,
  configOf,
  goodVersions,
  hasImage,
  lastGood,
  pin,
  removeObsolete,
  type GoodVersion,
} from "../stack/versions.ts";

export interface RollbackOptions extends CommonOptions {
  readonly list?: boolean;
  readonly keepConfig?: boolean;
}

const changesOf = ({ backend, stack }: Place) => readChanges(backend.stateDir, stack);

export async function rollback(to: string | undefined, options: RollbackOptions): Promise<void> {
  if (options.list) return list(options);
  const session = await openSession(options, { create: false, lock: "rollback" });
  const { docker, stack, audit } = session;
  const version = await choose(to, session, docker);
  const config: Values = options.keepConfig ? configOf(session) : version.config;
  audit?.note({ to: version.build });
  for (const change of configChanges(configOf(session), config)) say(`The config goes back too: ${change}`);
  await prepare(session);
  print(paint("bold", `Rolling stack ${stack} back to ${version.build}`));
  const outputs = await deploy(
    session,
    pin(session, { ...version, config }),
    false,
    `rolling back stack ${stack}`,
  );
  audit?.note({ version: { build: version.build, imageId: version.imageId, config } });
  await summarise(session, outputs);
  await removeObsolete(session);
  print(
    `Stack ${stack} is back at ${version.build}. The next \`npm run up\` goes forward to the sources again.`,
  );
}

/** @throws OpsError with what there is */
async function choose(to: string | undefined, place: Place, docker: Docker): Promise<GoodVersion> {
  const changes = changesOf(place);
  const versions = goodVersions(changes);
  const found = to === undefined ? lastGood(changes) : versions.find(({ build }) => build.startsWith(to));
  const there = versions.map(({ build }) => build).join(", ") || "none";
  if (found === undefined) {
    throw new OpsError(
      to === undefined
        ? `Stack ${place.stack} has no version to go back to. Good ones: ${there}.`
        : `Stack ${place.stack} has had no good version "${to}". Good ones: ${there}.`,
      "npm run rollback -- --list shows what there is.",
      EXIT.usage,
    );
  }
  if (await hasImage(docker, found.build)) return found;
  throw new OpsError(
    `The image of ${found.build} is no longer on the engine.`,
    "npm run rollback -- --list shows which are. To deploy that version anew, check out its sources and run npm run up.",
  );
}

async function list(options: RollbackOptions): Promise<void> {
  const place = findPlace(options);
  const { docker } = await openEngine(place);
  const versions = goodVersions(changesOf(place));
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
  if (rows.length === 0) print(`Stack ${place.stack} has had no good version from here.`);
}
