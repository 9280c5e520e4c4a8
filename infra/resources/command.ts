/** Commands on the operator's machine, most of them for the docker CLI, with the defaults that all of them share. */
import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import type { Engine } from "./engine.ts";

export interface LocalCommandArgs {
  /** The shell script. It runs once, and again when it changes or a trigger does. */
  readonly script: string;
  /** What runs instead when something about the command has changed; default: the script again. */
  readonly update?: string;
  /** The shell script that takes back what the other did, when the resource goes; default: nothing does. */
  readonly onDelete?: string;
  /** What the script reads. No secret: others on the machine can read it. */
  readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
  /** Where secrets go. */
  readonly stdin?: pulumi.Input<string>;
  /** Another value runs the script again. */
  readonly triggers?: readonly pulumi.Input<string | number>[];
  /** What of its output is shown; default: nothing. */
  readonly logging?: "stderr" | "stdoutAndStderr";
}

export const localCommand = (
  name: string,
  { script, update, onDelete, environment, stdin, triggers, logging }: LocalCommandArgs,
  options: pulumi.CustomResourceOptions,
): command.local.Command =>
  new command.local.Command(
    name,
    {
      create: script,
      update,
      delete: onDelete,
      environment,
      stdin,
      triggers: triggers && [...triggers],
      logging: logging ?? "none",
      // The output of one run would be a variable of the next.
      addPreviousOutputInEnv: false,
    },
    options,
  );

/** A script that calls the docker CLI, on the stack's own engine. */
export const dockerCommand = (
  name: string,
  { engine, environment, ...args }: LocalCommandArgs & { readonly engine: Engine },
  options: pulumi.CustomResourceOptions,
): command.local.Command =>
  localCommand(name, { ...args, environment: { ...engine.environment, ...environment } }, options);
