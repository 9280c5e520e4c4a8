/** Writes which image of PostgreSQL a stack has into its file, and nothing else of it changes. */
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { parseDocument } from "yaml";
import { withoutMirror } from "../../../infra/config/mirror.ts";
import { writeWhole } from "../../../tools/host/file.mjs";
import { stackFilePath } from "../../stack/config-files.ts";
import { hasOwnSecrets, writeLocalProject } from "../../stack/local-project.ts";
import { ROOT } from "../../stack/place.ts";
import type { Session } from "../../stack/session.ts";
import { readSettings, type KnownConfig } from "../../stack/settings.ts";

/** Pure: the text of a stack's file with the image, with its comments and its order. */
export function withImage(text: string, project: string, image: string): string {
  const document = parseDocument(text);
  // Pulumi takes a key of the project's own with its name and without.
  const key = document.hasIn(["config", "postgresImage"]) ? "postgresImage" : `${project}:postgresImage`;
  document.setIn(["config", key], image);
  return document.toString({ lineWidth: 0 });
}

/** @returns what is in the stack's file: undefined for none */
export function fileNow({ stack }: Session): string | undefined {
  const file = stackFilePath(ROOT, stack);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** Pure: the image as a stack's file names it. Which copy of Docker Hub it comes from is another key's. */
export const nameInFile = (image: string, { registryMirror = "" }: KnownConfig): string =>
  withoutMirror(registryMirror, image);

/** @returns the session with the config as it is then */
export function setImage(session: Session, image: string): Session {
  const { project, config } = session.settings;
  const text = withImage(fileNow(session) ?? "", project, nameInFile(image, config));
  write(stackFilePath(ROOT, session.stack), text);
  return withFile(session);
}

/** Puts the file back as it was. @returns the session with the config as it is then */
export function restoreFile(session: Session, before: string | undefined): Session {
  const file = stackFilePath(ROOT, session.stack);
  // A disk that is full does not take what is there already either.
  if (before === undefined) rmSync(file, { force: true });
  else if (before !== fileNow(session)) write(file, before);
  return withFile(session);
}

const write = (file: string, text: string): void =>
  writeWhole(file, text, { mode: existsSync(file) ? statSync(file).mode & 0o777 : 0o644 });

function withFile(session: Session): Session {
  const settings = readSettings(ROOT, session.stack);
  const { handle, backend, stack } = session;
  // What the program reads is a copy with this machine's salt, where the file has none of its own.
  if (backend.own && !hasOwnSecrets(settings.stackFile)) writeLocalProject(backend, stack, settings);
  return { ...session, settings, handle: { ...handle, settings } };
}
