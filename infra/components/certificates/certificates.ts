/**
 * The room that gets the edge's certificates from an ACME authority: certbot in a container of its own, which reaches
 * neither the engine nor the edge's configuration. It hands each certificate over in a volume that the edge reads.
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../../resources/engine.ts";
import { dockerCommand } from "../../resources/command.ts";
import { FileSet } from "../../resources/files.ts";
import { useImage } from "../../resources/image.ts";
import { STACK_LABEL, toLabels, WORKLOAD_LABEL } from "../../resources/labels.ts";
import { fromProgram } from "../../resources/program-folder.ts";
import { writeIntoVolume } from "../../resources/short-lived.ts";
import { Workload, type Replica, type VolumeMount } from "../../workload.ts";
import { user } from "../edge/edge.ts";
import { HTTPS_PORT } from "../edge/nginx.ts";
import { certificatesVolume, COPY_FOLDER, copyVolumeLabels, copyVolumeName, owners } from "./copy-volume.ts";
import { buildArgs, CONTEXT, imageOf, ROOM_PROGRAM } from "./image.ts";

export interface CertificatesArgs {
  readonly engine: Engine;
  /** The image of certbot 4.1 or newer with its plugin for Cloudflare, by the official image's contract. */
  readonly certbotImage: string;
  /** Networks with a way out to the authority, and to the edge; and that of what is scraped, where somebody watches. */
  readonly networks: readonly pulumi.Input<string>[];
  /** The volume that the edge reads. */
  readonly handover: pulumi.Input<string>;
  /** The DNS names that the certificate is for. */
  readonly hosts: readonly string[];
  /** The address of the authority's directory (RFC 8555). */
  readonly directory: string;
  /** Whom to believe about that address beside the usual authorities, in PEM; empty: nobody. */
  readonly authority: string;
  /** Whom the authority writes to; empty: nobody. */
  readonly email: string;
  /** A token that may edit the records of the hosts' zone at Cloudflare (DNS-01); undefined: HTTP-01 through the edge. */
  readonly cloudflareToken: pulumi.Output<string> | undefined;
  /** Whether a copy is kept for the backup room, which sends it off-site. */
  readonly copied: boolean;
  /** The memory limit in MiB. */
  readonly memory: number;
  /** The CPU limit in cores. */
  readonly cpus: string;
}

/** Where the room has things; see room/certificates/settings.py. */
const folders = { certificates: "/certificates", handover: "/handover", runtime: "/run/room" };
const COPY_MOUNT = "/copy";
const SECRETS = "/run/secrets";
export const CLOUDFLARE_FILE = "cloudflare.ini";
const AUTHORITY_FILE = "authority.pem";

/** Runs as root without a network. What is in the folder is of the same owner already: this room or a rebuild has put it there. */
const OWN_SCRIPT = `mkdir -p /files/${COPY_FOLDER} && chown ${owners.uid}:${owners.gid} /files/${COPY_FOLDER} && chmod 750 /files/${COPY_FOLDER}`;

export class Certificates extends pulumi.ComponentResource {
  readonly imageId: pulumi.Output<string>;
  readonly names: pulumi.Output<string[]>;
  readonly replicas: readonly Replica[];
  /** The volume with the copy for the backup room, known once it has its owner; undefined where nothing goes off-site. */
  readonly copy: pulumi.Output<string> | undefined;

  constructor(args: CertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:certificates:Certificates", `${pulumi.getStack()}-certificates`, {}, opts);
    this.imageId = this.#createImage(args);
    this.copy = args.copied ? this.#createCopyVolume(args) : undefined;
    const room = this.#createRoom(args, this.#createVolume(args));
    this.names = room.names;
    this.replicas = room.replicas;
    this.registerOutputs({ names: this.names, imageId: this.imageId });
  }

  /**
   * Kept on the engine whatever becomes of the room, because authorities count what they give: the next room finds it by its
   * name. It is not protected, or no stack could do without the room again. It has no identity; what is in it
   * is copied for the backup room. It is no data volume: those must not have a way out, and this room needs one.
   */
  #createVolume({ engine }: CertificatesArgs): pulumi.Output<string> {
    const stack = pulumi.getStack();
    const name = certificatesVolume(stack);
    return new docker.Volume(
      name,
      { name, labels: toLabels({ [STACK_LABEL]: stack, [WORKLOAD_LABEL]: "certificates" }) },
      { parent: this, provider: engine.provider, retainOnDelete: true },
    ).name;
  }

  /**
   * A copy of the account and the certificates, which the room writes (room/certificates/copy.py) and the backup room reads: so
   * neither sees the other's volume. Its name is fixed: a rebuild puts the copy there before the stack is there. Its folder gets its
   * owner by a command, which both rooms wait for: if the backup room waited for this one, it would be replaced with it.
   */
  #createCopyVolume({ engine }: CertificatesArgs): pulumi.Output<string> {
    const stack = pulumi.getStack();
    const name = copyVolumeName(stack);
    const volume = new docker.Volume(
      name,
      { name, labels: toLabels(copyVolumeLabels(stack)) },
      { parent: this, provider: engine.provider, deleteBeforeReplace: true },
    );
    const owned = dockerCommand(
      name,
      {
        engine,
        script: writeIntoVolume(),
        environment: { SCRIPT: OWN_SCRIPT, VOLUME: volume.name, IMAGE: this.imageId },
      },
      { parent: this },
    );
    return pulumi.all([volume.name, owned.id]).apply(([known]) => known);
  }

  #createRoom(args: CertificatesArgs, volume: pulumi.Output<string>): Workload {
    const files = this.#createFiles(args);
    return new Workload(
      "certificates",
      {
        engine: args.engine,
        kind: "singleton",
        image: this.imageId,
        // nginx's user, who reads what is handed over; and the group of the backup room, which reads the copy.
        user: `${owners.uid}:${owners.gid}`,
        command: [...ROOM_PROGRAM, "serve"],
        environment: planEnvironment(args),
        networks: args.networks,
        volumes: [
          { volume, path: folders.certificates, readOnly: false },
          { volume: args.handover, path: folders.handover, readOnly: false },
          ...(this.copy === undefined ? [] : [{ volume: this.copy, path: COPY_MOUNT, readOnly: false }]),
          ...(files?.mount ?? []),
        ],
        tmpfs: {
          [folders.runtime]: `size=8m,mode=0700,uid=${user.uid},gid=${user.gid}`,
          "/tmp": "size=8m,mode=1777",
        },
        health: { command: ["sh", "/opt/omniai/healthcheck.sh"], interval: 15, startPeriod: 30 },
        memory: args.memory,
        cpus: args.cpus,
        pids: 64,
        stopGrace: 10,
        configHash: files?.hash,
      },
      { parent: this },
    );
  }

  /** What must not be read by others, and what is too long for a variable. */
  #createFiles({ engine, cloudflareToken, authority }: CertificatesArgs):
    | {
        readonly mount: readonly VolumeMount[];
        readonly hash: pulumi.Output<string>;
      }
    | undefined {
    if (cloudflareToken === undefined && authority === "") return undefined;
    const files = new FileSet(
      `omniai-${pulumi.getStack()}-certificates-files`,
      {
        engine,
        workload: "certificates",
        image: this.imageId,
        owner: user,
        files: pulumi.output(cloudflareToken).apply((value) => ({
          ...(value === undefined ? {} : { [CLOUDFLARE_FILE]: { content: cloudflareFile(value) } }),
          ...(authority === "" ? {} : { [AUTHORITY_FILE]: { content: authority } }),
        })),
      },
      { parent: this },
    );
    return { mount: [{ volume: files.volumeName, path: SECRETS }], hash: files.hash };
  }

  #createImage({ engine, certbotImage }: CertificatesArgs): pulumi.Output<string> {
    const name = imageOf(certbotImage);
    const base = useImage(engine, "certbot", certbotImage, this);
    return new docker.RemoteImage(
      `omniai-${pulumi.getStack()}-certificates`,
      {
        name,
        build: {
          context: fromProgram(CONTEXT),
          dockerfile: "Dockerfile",
          tags: [name],
          buildArgs: buildArgs(certbotImage),
        },
        triggers: { content: name, base },
        keepLocally: true,
      },
      { parent: this, provider: engine.provider, deleteBeforeReplace: false },
    ).imageId;
  }
}

/** Pure: the token as certbot's plugin reads it. */
export const cloudflareFile = (token: string): string => `dns_cloudflare_api_token = ${token}\n`;

/** Pure: what the room's program reads (room/certificates/settings.py). */
export const planEnvironment = ({
  hosts,
  directory,
  email,
  cloudflareToken,
  authority,
  copied,
}: Pick<
  CertificatesArgs,
  "hosts" | "directory" | "email" | "cloudflareToken" | "authority" | "copied"
>): Readonly<Record<string, string>> => ({
  OMNIAI_ACME_HOSTS: hosts.join(" "),
  OMNIAI_ACME_DIRECTORY: directory,
  OMNIAI_ACME_EMAIL: email,
  OMNIAI_EDGE: `edge:${HTTPS_PORT}`,
  ...(copied ? { OMNIAI_ACME_COPY: `${COPY_MOUNT}/${COPY_FOLDER}` } : {}),
  ...(cloudflareToken === undefined ? {} : { OMNIAI_ACME_CLOUDFLARE_FILE: `${SECRETS}/${CLOUDFLARE_FILE}` }),
  ...(authority === "" ? {} : { OMNIAI_ACME_AUTHORITY_FILE: `${SECRETS}/${AUTHORITY_FILE}` }),
});
