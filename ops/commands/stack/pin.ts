/** `npm run stack -- pin NAME`: writes the digest that each image's tag stands for now into the stack's file. */
import fs from "node:fs";
import { parseDocument } from "yaml";
import { connect } from "../../engine/containers.ts";
import { OpsError } from "../../terminal/errors.ts";
import { paint, print, table } from "../../terminal/output.ts";
import { findPlace, signals, ROOT } from "../../stack/session.ts";
import { imageKeys, stackFilePath, textOf, type Values } from "../../stack/settings.ts";
import { dockerHostOf, parseImageName } from "../../stack/toolchain.ts";
import { buildx, engine, registry, resolve, type Way } from "./registry.ts";

export interface Pin {
  readonly key: string;
  readonly before: string;
  /** The name with its tag, which people read, and its digest, which counts. */
  readonly after?: string;
  readonly reasons: readonly string[];
}

export async function findPins(values: Values, ways: Readonly<Record<string, Way>>): Promise<Pin[]> {
  return Promise.all(
    imageKeys(values).map(async (key) => {
      const before = textOf(values, key) ?? "";
      const { digest, reasons } = await resolve(parseImageName(before), ways);
      const after = digest === undefined ? undefined : `${before.split("@")[0]}@${digest}`;
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

export async function pin(name: string): Promise<void> {
  const { settings, context } = findPlace({ stack: name }, true);
  const file = stackFilePath(ROOT, name);
  signals.begin({ title: "asking registries for digests" });
  const docker = connect(textOf(settings.values, "dockerHost") ?? (await dockerHostOf(context)));
  const pins = await findPins(settings.values, { registry: registry(), buildx, engine: engine(docker) });
  const unknown = pins.filter(({ after }) => after === undefined);
  if (unknown.length > 0) {
    const lines = unknown.map(
      ({ key, before, reasons }) => `  omniai:${key} ${before}: ${reasons.join("; ")}`,
    );
    throw new OpsError(
      `The digests of ${unknown.length} of ${pins.length} images could not be found out; nothing was written.\n${lines.join("\n")}`,
      "Run it where the registries are reached, or where `docker pull` has fetched the images.",
    );
  }
  const text = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "config: {}\n";
  fs.writeFileSync(`${file}.new`, withPins(text, settings.project, pins));
  fs.renameSync(`${file}.new`, file);
  for (const line of table(
    pins.map(({ key, before, after }) => [
      before === after ? "as before" : paint("green", "pinned"),
      key,
      after ?? "",
    ]),
  ))
    print(line);
  print(`Written to Pulumi.${name}.yaml. Commit it: what it names is what is deployed.`);
}
