/** `npm run stack -- pin NAME`: writes the digest that each image's tag stands for now into the stack's file. */
import { existsSync, readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { withoutMirror } from "../../../infra/config/mirror.ts";
import { writeWhole } from "../../../tools/host/file.mjs";
import { stackFilePath } from "../../stack/config-files.ts";
import { findPlace, ROOT } from "../../stack/place.ts";
import { openEngine } from "../../stack/look.ts";
import { namedImages, type KnownConfig } from "../../stack/settings.ts";
import { signals } from "../../stack/this-process.ts";
import { parseImageName } from "../../stack/toolchain.ts";
import { OpsError } from "../../terminal/errors.ts";
import { paint, print, table } from "../../terminal/output.ts";
import { buildx, engine, registry, resolve, type Way } from "./registry.ts";

export interface Pin {
  readonly key: string;
  readonly before: string;
  /** The name with its tag, which is for people, and its digest, which decides. Undefined when no way found it. */
  readonly after?: string;
  /** Why each way that was tried did not find it. */
  readonly reasons: readonly string[];
}

export async function findPins(config: KnownConfig, ways: Readonly<Record<string, Way>>): Promise<Pin[]> {
  return Promise.all(
    namedImages(config).map(async ({ key, name: before }) => {
      const { digest, reasons } = await resolve(parseImageName(before), ways);
      // The key keeps the name of Docker Hub: a copy has the same digest, and another mirror may come.
      const named = withoutMirror(config.registryMirror ?? "", before.split("@")[0] ?? "");
      const after = digest === undefined ? undefined : `${named}@${digest}`;
      return { key, before, after, reasons };
    }),
  );
}

/** Pure: the file with the pinned names; its comments and other keys stay as they are. */
export function withPins(text: string, project: string, pins: readonly Pin[]): string {
  const document = parseDocument(text);
  for (const { key, after } of pins) document.setIn(["config", `${project}:${key}`], after);
  return document.toString();
}

export async function pinImages(name: string): Promise<void> {
  const place = findPlace({ stack: name }, true);
  const { config, project } = place.settings;
  signals.begin({ title: "asking registries for digests" });
  // The last way: where the two before it find a digest, no engine is needed.
  const onEngine: Way = async (image) => engine((await openEngine(place, { stack: name })).docker)(image);
  const pins = await findPins(config, { registry: registry(), buildx, engine: onEngine });
  const missing = pins.filter(({ after }) => after === undefined);
  if (missing.length > 0) {
    const lines = missing.map(
      ({ key, before, reasons }) => `  omniai:${key} ${before}: ${reasons.join("; ")}`,
    );
    throw new OpsError(
      `The digests of ${missing.length} of ${pins.length} images could not be found; nothing was written.\n${lines.join("\n")}`,
      "Run it on a machine that reaches the registries, or where `docker pull` has fetched the images.",
    );
  }
  const file = stackFilePath(ROOT, name);
  const text = existsSync(file) ? readFileSync(file, "utf8") : "config: {}\n";
  writeWhole(file, withPins(text, project, pins));
  for (const line of table(
    pins.map(({ key, before, after }) => [
      before === after ? "as before" : paint("green", "pinned"),
      key,
      after ?? "",
    ]),
  ))
    print(line);
  print(`Pulumi.${name}.yaml is written. Commit it: the digests in it are what is deployed.`);
}
