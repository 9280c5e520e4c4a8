/**
 * Volumes that hold what must not be lost. Each has an identity, a random name that is both in the state and in the
 * volume, so that an empty or another volume of the same name is never taken for it
 * (docs/decisions/0033-identity.md).
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { dockerCommand } from "./command.ts";
import type { Engine } from "./engine.ts";
import { claimScript, GUARD_SCRIPT, IDENTITY_FILE, type Initialise } from "./identity.ts";
import { DATA_LABEL, STACK_LABEL, toLabels, WORKLOAD_LABEL } from "./labels.ts";
import { shortLived } from "./short-lived.ts";

export interface DataVolumeArgs {
  readonly engine: Engine;
  readonly workload: (typeof DATA_WORKLOADS)[number];
  /** The id of the workload's own image, which claims the volume. */
  readonly image: pulumi.Input<string>;
  /** The user of the workload, `uid:gid`. */
  readonly user: string;
  /** Where the workload has the volume. A new volume takes its owner from the image's folder of that name. */
  readonly path: string;
  /** What makes the first content of an empty volume, in its folder; default: nothing. `secrets` is a volume that it reads. */
  readonly initialise?: Initialise & { readonly secrets: pulumi.Input<string> };
}

/** What a workload needs to use its data volume. */
export interface DataVolume {
  readonly name: pulumi.Output<string>;
  /** Another value is other data: what prepares the data runs again. */
  readonly identity: pulumi.Output<string>;
  /** Made once the volume has its identity and its first content. */
  readonly claimed: pulumi.Resource;
  /** Starts the workload's command only on the right volume. */
  readonly entrypoint: readonly string[];
  /** What the entry point reads. */
  readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
}

/** The workloads that have a data volume. */
export const DATA_WORKLOADS = ["postgres", "redis", "backup"] as const;

/** The volume's name on the engine and in the program. */
export const dataVolumeName = (stack: string, workload: string): string => `omniai-${stack}-${workload}-data`;
export const identityName = (stack: string, workload: string): string =>
  `omniai-${stack}-${workload}-identity`;
export const claimName = (stack: string, workload: string): string => `omniai-${stack}-${workload}-claim`;

/** Where the claiming container finds the secrets. */
export const SECRETS_FOLDER = "/run/secrets";

/**
 * A data volume. Its fixed name survives any renaming in the program, Pulumi refuses to delete it, and when the state
 * forgets it, it stays on the engine.
 */
export function createDataVolume(args: DataVolumeArgs, parent: pulumi.Resource): DataVolume {
  const stack = pulumi.getStack();
  const { engine, workload, path } = args;
  const name = dataVolumeName(stack, workload);
  const volume = new docker.Volume(
    name,
    {
      name,
      labels: toLabels({ [STACK_LABEL]: stack, [WORKLOAD_LABEL]: workload, [DATA_LABEL]: "true" }),
    },
    { parent, provider: engine.provider, protect: true, retainOnDelete: true },
  );
  // Protected like the volume: the two stay together when the rest of the stack is taken down.
  const identity = new random.RandomUuid(identityName(stack, workload), {}, { parent, protect: true }).result;
  const claimed = claim(args, volume.name, identity, parent);
  return {
    name: volume.name,
    identity,
    claimed,
    entrypoint: ["sh", "-c", GUARD_SCRIPT, "sh"],
    environment: { DATA_FILE: `${path}/${IDENTITY_FILE}`, DATA_IDENTITY: identity },
  };
}

/**
 * Gives the volume its identity, once: only `create` may do that to an empty volume. Whatever changes about the command
 * later (the image's id) runs `update`, which only looks. So an update after a loss stops here, or at the guard.
 */
function claim(
  { engine, workload, image, user, path, initialise }: DataVolumeArgs,
  volume: pulumi.Input<string>,
  identity: pulumi.Input<string>,
  parent: pulumi.Resource,
): pulumi.Resource {
  const files = initialise && { FILES: initialise.secrets };
  const run = (what: "claim" | "check"): string =>
    shortLived({
      user,
      memory: 192,
      pids: 64,
      volumes: [
        { variable: "VOLUME", path },
        ...(files ? [{ variable: "FILES", path: SECRETS_FOLDER, readOnly: true }] : []),
      ],
      flags: ["-e VOLUME", "-e IDENTITY"],
      command: `--entrypoint sh "$IMAGE" -c "$SCRIPT" ${what}`,
    });
  return dockerCommand(
    claimName(pulumi.getStack(), workload),
    {
      engine,
      script: run("claim"),
      update: run("check"),
      environment: {
        SCRIPT: claimScript(path, initialise),
        VOLUME: volume,
        IDENTITY: identity,
        IMAGE: image,
        ...files,
      },
      logging: "stderr",
    },
    { parent },
  );
}
