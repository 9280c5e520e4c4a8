/**
 * Files for the tasks of a service. The swarm keeps them and gives them to the nodes that run a task: secrets encrypted and
 * in memory, configs for what is none. Neither can be changed, so other content is another one under another name.
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { contentHash, type Owner } from "./archive.ts";
import type { Engine } from "./engine.ts";
import { FILE_LABEL, STACK_LABEL, toLabels, WORKLOAD_LABEL } from "./labels.ts";

export interface ServiceFilesArgs {
  readonly engine: Engine;
  /** The workload that the files are for. */
  readonly workload: string;
  /** The one user that needs the files. */
  readonly owner: Owner;
  /** Where they are in a container. */
  readonly folder: string;
  /** Secrets by relative path, as text. The names have to be known, whatever the content. */
  readonly secrets?: Readonly<Record<string, pulumi.Input<string>>>;
  /** What is no secret, by relative path, in base64. */
  readonly configs?: Readonly<Record<string, pulumi.Input<string>>>;
}

type SecretFile = docker.types.input.ServiceTaskSpecContainerSpecSecret;
type ConfigFile = docker.types.input.ServiceTaskSpecContainerSpecConfig;

/** Readable by its owner only. */
const MODE = 0o400;

/** The files in the swarm, and how a service has them. */
export class ServiceFiles extends pulumi.ComponentResource {
  readonly secrets: readonly SecretFile[];
  readonly configs: readonly ConfigFile[];
  /** The hash of the content, safe to show: other files are another release of the service. */
  readonly hash: pulumi.Output<string>;
  readonly #name: string;
  readonly #args: ServiceFilesArgs;

  constructor(name: string, args: ServiceFilesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:files:ServiceFiles", name, {}, opts);
    this.#name = name;
    this.#args = args;
    const { secrets = {}, configs = {} } = args;
    // Of all secrets together, one of which is a random one: a hash of a password alone would let others try passwords.
    const secretHash = hashOf(pulumi.secret(secrets));
    const configHash = hashOf(configs);
    this.secrets = Object.keys(secrets).map((path, index) =>
      this.#secret(path, pulumi.output(secrets[path] ?? "").apply(toBase64), secretHash, index),
    );
    this.configs = Object.keys(configs).map((path, index) =>
      this.#config(path, configs[path] ?? "", configHash, index),
    );
    this.hash = pulumi.all([secretHash, configHash]).apply(([one, other]) => contentHash(`${one} ${other}`));
    this.registerOutputs({ hash: this.hash });
  }

  /** What both kinds have. A path may be longer than the name of a secret, so it is in a label. */
  #described(kind: string, path: string, hash: pulumi.Output<string>, index: number) {
    const stack = pulumi.getStack();
    const { workload } = this.#args;
    return {
      logicalName: `${this.#name}-${path.replaceAll("/", "-")}`,
      name: pulumi.interpolate`omniai-${stack}-${workload}-${kind}${index + 1}-${hash}`,
      labels: toLabels({ [STACK_LABEL]: stack, [WORKLOAD_LABEL]: workload, [FILE_LABEL]: path }),
    };
  }

  /** The new one is there before the old one goes: a service has one or the other. */
  get #options(): pulumi.CustomResourceOptions {
    return { parent: this, provider: this.#args.engine.provider, deleteBeforeReplace: false };
  }

  #place(path: string): { fileName: string; fileUid: string; fileGid: string; fileMode: number } {
    const { owner, folder } = this.#args;
    return {
      fileName: `${folder}/${path}`,
      fileUid: String(owner.uid),
      fileGid: String(owner.gid),
      fileMode: MODE,
    };
  }

  #secret(path: string, data: pulumi.Output<string>, hash: pulumi.Output<string>, index: number): SecretFile {
    const { logicalName, name, labels } = this.#described("secret", path, hash, index);
    const { id } = new docker.Secret(logicalName, { name, labels, data: pulumi.secret(data) }, this.#options);
    return { secretId: id, secretName: name, ...this.#place(path) };
  }

  #config(path: string, data: pulumi.Input<string>, hash: pulumi.Output<string>, index: number): ConfigFile {
    const { logicalName, name, labels } = this.#described("config", path, hash, index);
    const { id } = new docker.ServiceConfig(logicalName, { name, labels, data }, this.#options);
    return { configId: id, configName: name, ...this.#place(path) };
  }
}

const hashOf = (files: pulumi.Input<Readonly<Record<string, pulumi.Input<string>>>>): pulumi.Output<string> =>
  pulumi.unsecret(
    pulumi.output(files).apply((known) => contentHash(JSON.stringify(Object.entries(known).sort()))),
  );

const toBase64 = (text: string): string => Buffer.from(text).toString("base64");
