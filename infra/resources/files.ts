/**
 * Files for a hardened container. A container with a read-only root cannot take uploads (the engine refuses to
 * unpack into it), and files that arrive by upload belong to root with mode 0644. So the files lie in a volume
 * of their own. A short-lived container gets them on its standard input and writes them, so they never appear in
 * an argument, an environment variable or a label, and each has its owner and mode.
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { contentHash, packFiles, type ArchiveFile, type Owner } from "./archive.ts";
import { dockerCommand } from "./command.ts";
import type { Engine } from "./engine.ts";
import { CONFIG_LABEL, STACK_LABEL, toLabels, WORKLOAD_LABEL } from "./labels.ts";
import { writeIntoVolume } from "./short-lived.ts";

export interface FileSetArgs {
  readonly engine: Engine;
  /** The workload that the files are for. */
  readonly workload: string;
  /** The id of an image with `sh`, `base64` and `tar` that the engine has anyway: the one of the workload. */
  readonly image: pulumi.Input<string>;
  /** The one user that needs the files. */
  readonly owner: Owner;
  /** The files by relative path; mode 0o400 unless a file says otherwise. */
  readonly files: pulumi.Input<Readonly<Record<string, ArchiveFile>>>;
}

/**
 * A volume that holds exactly the given files. Other content goes into another volume, so running containers keep the
 * files they started with, and a failed deploy changes nothing beneath them. No name is used twice: a return to earlier
 * content must not collide with the deletion of the volume that had it.
 */
export class FileSet extends pulumi.ComponentResource {
  /** The name of the volume, known once the files are in it. */
  readonly volumeName: pulumi.Output<string>;
  /** The hash of the content, safe to show: label containers with it, so that other files replace them. */
  readonly hash: pulumi.Output<string>;

  constructor(name: string, args: FileSetArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:files:FileSet", name, {}, opts);
    const stack = pulumi.getStack();
    const archive = pulumi.secret(pulumi.output(args.files).apply((files) => packFiles(files, args.owner)));
    // The content has random passwords in it, so its hash reveals nothing about them.
    this.hash = pulumi.unsecret(archive.apply(contentHash));

    const volume = new docker.Volume(
      name,
      {
        // Another label is another volume, under a name that Pulumi makes up.
        labels: this.hash.apply((hash) =>
          toLabels({ [STACK_LABEL]: stack, [WORKLOAD_LABEL]: args.workload, [CONFIG_LABEL]: hash }),
        ),
      },
      { parent: this, provider: args.engine.provider, deleteBeforeReplace: false },
    );
    const written = dockerCommand(
      name,
      {
        engine: args.engine,
        script: writeIntoVolume(),
        environment: { SCRIPT: UNPACK_SCRIPT, VOLUME: volume.name, IMAGE: args.image },
        stdin: archive,
      },
      // Like every command with a secret on its standard input: what it prints would be in plain state otherwise.
      { parent: this, additionalSecretOutputs: ["stdout", "stderr"] },
    );
    this.volumeName = pulumi.all([volume.name, written.id]).apply(([volumeName]) => volumeName);
    this.registerOutputs({ volumeName: this.volumeName, hash: this.hash });
  }
}

const UNPACK_SCRIPT = "set -e; base64 -d | tar -C /files --numeric-owner -xpf -";
