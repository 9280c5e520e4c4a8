/** The volumes of the monitoring: what its parts write, and the files that they read. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { dockerCommand } from "../../resources/command.ts";
import type { Engine } from "../../resources/engine.ts";
import { FileSet } from "../../resources/files.ts";
import { STACK_LABEL, toLabels, WORKLOAD_LABEL } from "../../resources/labels.ts";
import { writeIntoVolume } from "../../resources/short-lived.ts";
import type { WorkloadArgs } from "../../workload.ts";
import { user } from "./plan.ts";
import { OWN_FOLDER_SCRIPT } from "./scripts.ts";

/** A volume, and what has to be done before somebody uses it. */
export interface Folder {
  readonly volume: pulumi.Output<string>;
  readonly made: readonly pulumi.Resource[];
  /** The hash of its content, where it has files that do not change beneath a container. */
  readonly hash?: pulumi.Output<string>;
}

/** What a part mounts, and what has to be there before it starts. */
export type Mounted = Pick<WorkloadArgs, "volumes" | "configHash"> & { readonly folders: readonly Folder[] };

/** Pure: volumes by their place, what has to have filled them, and the hash of the content of those that are files. */
export function mount(...mounts: readonly [Folder, string, boolean][]): Mounted {
  const hashes = mounts.flatMap(([{ hash }]) => (hash === undefined ? [] : [hash]));
  return {
    folders: mounts.map(([folder]) => folder),
    volumes: [...mounts.map(([{ volume }, path, readOnly]) => ({ volume, path, readOnly }))],
    configHash: hashes[0],
  };
}

/** Makes them, as children of the component that they belong to. */
export class Folders {
  readonly #engine: Engine;
  /** An image id with `sh`, `base64` and `tar`. */
  readonly #image: pulumi.Input<string>;
  readonly #parent: pulumi.Resource;

  constructor(engine: Engine, image: pulumi.Input<string>, parent: pulumi.Resource) {
    this.#engine = engine;
    this.#image = image;
    this.#parent = parent;
  }

  /** A volume of the monitoring's own that it may lose: whatever is in it comes again, or is about the past. */
  createVolume(name: string): docker.Volume {
    const stack = pulumi.getStack();
    return new docker.Volume(
      `omniai-${stack}-${name}`,
      { labels: toLabels({ [STACK_LABEL]: stack, [WORKLOAD_LABEL]: name }) },
      { parent: this.#parent, provider: this.#engine.provider, deleteBeforeReplace: true },
    );
  }

  /** A volume that belongs to the monitoring's user: a new one belongs to root where the image has no such folder. */
  createFolder(name: string): Folder {
    const volume = this.createVolume(`${name}-store`);
    const owned = dockerCommand(
      `omniai-${pulumi.getStack()}-${name}-folder`,
      {
        engine: this.#engine,
        script: writeIntoVolume(["-e OWNER"]),
        environment: {
          SCRIPT: OWN_FOLDER_SCRIPT,
          VOLUME: volume.name,
          IMAGE: this.#image,
          OWNER: `${user.uid}:${user.gid}`,
        },
      },
      { parent: this.#parent },
    );
    return { volume: volume.name, made: [owned] };
  }

  /** Files of a workload; another content is another volume. */
  createFiles(
    workload: string,
    plain: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, pulumi.Output<string>>>,
  ): Folder {
    const set = new FileSet(
      `omniai-${pulumi.getStack()}-${workload}-files`,
      {
        engine: this.#engine,
        workload,
        image: this.#image,
        owner: user,
        files: pulumi.all({ ...plain, ...secrets }).apply((texts) => {
          const entries = Object.entries<string>(texts);
          return Object.fromEntries(entries.map(([name, content]) => [name, { content }]));
        }),
      },
      { parent: this.#parent },
    );
    return { volume: set.volumeName, made: [], hash: set.hash };
  }
}
