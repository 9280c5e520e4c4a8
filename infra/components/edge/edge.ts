/** The edge: nginx, the one way in. A change of configuration never replaces its container. */
import { isIPv6 } from "node:net";
import type * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { policyOf, type SiteFile } from "../../../frontend/publish/site.ts";
import { fromProgram } from "../../resources/program-folder.ts";
import { contentHash, packFiles } from "../../resources/archive.ts";
import { dockerCommand, localCommand } from "../../resources/command.ts";
import type { Engine } from "../../resources/engine.ts";
import { useImage } from "../../resources/image.ts";
import { STACK_LABEL, toLabels, WORKLOAD_LABEL } from "../../resources/labels.ts";
import { writeIntoVolume } from "../../resources/short-lived.ts";
import { Workload, type Replica } from "../../workload.ts";
import { EDGE_SCRIPT, FIRST_CERTIFICATE_SCRIPT, HANDOVER_FOLDER } from "./acme.ts";
import { endOf, type CertificatePair } from "./certificate.ts";
import type { HeaderConfig } from "./headers.ts";
import { keepAliveLadder } from "./ladder.ts";
import type { EdgeLimits } from "./limits.ts";
import { HTTP_PORT, HTTPS_PORT, renderNginx, STATUS_PORT, type EdgeConfig } from "./nginx.ts";
import { hashOfPage, packPage } from "./page.ts";
import { EDGE_FOLDER, FIRST_RELEASE_SCRIPT, SWITCH_SCRIPT } from "./switch.ts";
import { planUpstream } from "./upstream.ts";
import { isWildcard } from "./wildcard.ts";

export interface EdgeArgs {
  readonly engine: Engine;
  /** The image of nginx 1.27.4 or newer, with the official image's contract. */
  readonly image: string;
  readonly networks: readonly pulumi.Input<string>[];
  /** Whether ports are published on the host at all. */
  readonly publishPorts: boolean;
  /** The host addresses and ports that are published. With one of IPv6, one of the networks has to know IPv6. */
  readonly bindAddresses: readonly string[];
  readonly httpPort: number;
  readonly httpsPort: number;
  /** What the generated certificate is for: DNS names and IP addresses. */
  readonly certificateHosts: readonly string[];
  /** Another number makes another certificate. */
  readonly certificateSerial: number;
  /** Whether certificates of an ACME authority are served instead, once there is one (components/certificates). */
  readonly acme: boolean;
  /** The replicas to send requests to, the network that they share with the edge, and their port. */
  readonly upstreams: readonly Replica[];
  readonly upstreamNetwork: pulumi.Input<string>;
  readonly upstreamPort: number;
  /** How long a replica goes on serving after it was told to stop, in seconds. */
  readonly switchSeconds: number;
  /** How long a replica may take to begin its answer, in seconds; then it counts as hung. */
  readonly responseSeconds: number;
  /** The exact origins of pages that may read the edge's own answers. */
  readonly corsOrigins: readonly string[];
  /** What Cross-Origin-Resource-Policy says on every answer. */
  readonly resourcePolicy: HeaderConfig["resourcePolicy"];
  /** The hosts that are served, without a port; empty: any. */
  readonly hosts: readonly string[];
  /** The files of the page at `/`; empty: there is none. */
  readonly page: readonly SiteFile[];
  /** The limits of one client address. */
  readonly limits: EdgeLimits;
  /**
   * Who is trusted about the client's address: a tunnel, by the CIDRs of a network that only the tunnel and the edge are
   * on, and the header that the tunnel sets (CF-Connecting-IP). Default: nobody.
   */
  readonly realIp?: { readonly from: readonly pulumi.Input<string>[]; readonly header: string };
  /** The memory limit in MiB. */
  readonly memory: number;
  /** The CPU limit in cores. */
  readonly cpus: string;
}

/** The user of nginx in its image; the room that hands certificates over has the same one. */
export const user = { uid: 101, gid: 101 };

/** Runs as root without a network: the folder is for the user of the edge and of the room. */
const OWN_SCRIPT = `chown ${user.uid}:${user.gid} /files && chmod 755 /files`;

export class Edge extends pulumi.ComponentResource {
  readonly imageId: pulumi.Output<string>;
  readonly names: pulumi.Output<string[]>;
  readonly replicas: readonly Replica[];
  /** The hash of the configuration that serves, known once new workers answered with it. */
  readonly release: pulumi.Output<string>;
  /** When the generated certificate ends, as an ISO date and time. */
  readonly certificateEnds: pulumi.Output<string>;
  /** The volume in which certificates of an ACME authority are handed over; undefined without one. */
  readonly handover: pulumi.Output<string> | undefined;

  constructor(args: EdgeArgs, opts?: pulumi.ComponentResourceOptions) {
    const stack = pulumi.getStack();
    super("omniai:edge:Edge", `${stack}-edge`, {}, opts);
    this.imageId = useImage(args.engine, "edge", args.image, this);
    const { volume, firstRelease } = this.#createVolume(args);
    this.handover = args.acme ? this.#createHandover(args) : undefined;
    const server = this.#createServer(args, volume, firstRelease);
    const certificate = this.#createCertificate(args);
    this.certificateEnds = pulumi.unsecret(certificate.apply(({ certificate: pem }) => endOf(pem)));
    this.names = server.names;
    this.replicas = server.replicas;
    this.release = this.#switchTo(args, server, volume, certificate);
    this.registerOutputs({ names: this.names, imageId: this.imageId, release: this.release });
  }

  /** A volume for releases, with a first one that answers every request with 503. */
  #createVolume(args: EdgeArgs): { volume: docker.Volume; firstRelease: command.local.Command } {
    const stack = pulumi.getStack();
    const name = `omniai-${stack}-edge-releases`;
    const volume = new docker.Volume(
      name,
      // Pulumi makes up the name, so that a volume in the place of one that was lost has another one: with that, all that
      // fills it runs again. Volumes that were made with a fixed name keep it.
      { labels: toLabels({ [STACK_LABEL]: stack, [WORKLOAD_LABEL]: "edge" }) },
      {
        parent: this,
        provider: args.engine.provider,
        deleteBeforeReplace: true,
        ignoreChanges: ["name"],
      },
    );
    const first = renderNginx({ ...this.#settings(args), upstreams: [], release: "first", tls: false });
    const firstRelease = dockerCommand(
      name,
      {
        engine: args.engine,
        script: writeIntoVolume(["-e OWNER"]),
        environment: {
          SCRIPT: FIRST_RELEASE_SCRIPT,
          VOLUME: volume.name,
          IMAGE: this.imageId,
          OWNER: `${user.uid}:${user.gid}`,
        },
        stdin: packFiles({ "releases/first/nginx.conf": { content: first, mode: 0o444 } }, user),
        logging: "stderr",
      },
      { parent: this },
    );
    return { volume, firstRelease };
  }

  /** An empty volume for the certificates of an authority; the edge only reads it. Its name is known once it has its owner. */
  #createHandover({ engine }: EdgeArgs): pulumi.Output<string> {
    const stack = pulumi.getStack();
    const name = `omniai-${stack}-edge-certificates`;
    const volume = new docker.Volume(
      name,
      { labels: toLabels({ [STACK_LABEL]: stack, [WORKLOAD_LABEL]: "edge" }) },
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

  #createServer(args: EdgeArgs, volume: docker.Volume, firstRelease: pulumi.Resource): Workload {
    return new Workload(
      "edge",
      {
        engine: args.engine,
        kind: "singleton",
        image: this.imageId,
        user: `${user.uid}:${user.gid}`,
        ...(this.handover === undefined
          ? {
              entrypoint: ["nginx"],
              command: ["-c", `${EDGE_FOLDER}/current/nginx.conf`, "-g", "daemon off;"],
            }
          : { entrypoint: ["sh", "-c"], command: [EDGE_SCRIPT] }),
        networks: args.networks,
        ports: args.publishPorts
          ? args.bindAddresses.flatMap((address) => [
              { internal: HTTP_PORT, external: args.httpPort, address },
              { internal: HTTPS_PORT, external: args.httpsPort, address },
            ])
          : [],
        volumes: [
          { volume: volume.name, path: EDGE_FOLDER, readOnly: false },
          ...(this.handover === undefined ? [] : [{ volume: this.handover, path: HANDOVER_FOLDER }]),
        ],
        tmpfs: { "/tmp": "size=32m,mode=1777" },
        health: {
          command: ["curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${STATUS_PORT}/live`],
          startPeriod: 15,
        },
        memory: args.memory,
        cpus: args.cpus,
        pids: 64,
        // Two containers cannot have the same port, so the old one goes first, and until the new one runs nobody is
        // answered. SIGQUIT would also close the port at once, and would then wait for streams that may last for hours.
        // It would help a few requests under way, and fail all requests that come meanwhile.
        stopGrace: 5,
        stopSignal: "SIGTERM",
        dependsOn: [firstRelease],
      },
      { parent: this },
    );
  }

  #createCertificate(args: EdgeArgs): pulumi.Output<CertificatePair> {
    const made = localCommand(
      `omniai-${pulumi.getStack()}-edge-certificate`,
      {
        // Only where there is one to expand: another script would make another certificate of every stack.
        script: `${args.certificateHosts.some(isWildcard) ? "set -f; " : ""}node "$SCRIPT" $HOSTS`,
        environment: {
          SCRIPT: fromProgram(`${import.meta.dirname}/certificate.ts`),
          HOSTS: args.certificateHosts.join(" "),
        },
        triggers: [args.certificateHosts.join(" "), args.certificateSerial],
      },
      { parent: this, additionalSecretOutputs: ["stdout", "stderr"] },
    );
    return pulumi.secret(made.stdout).apply((text) => JSON.parse(text) as CertificatePair);
  }

  /**
   * Sends requests to the given replicas and to no others. This happens after every replica is healthy, and Pulumi
   * deletes the old replicas last. That order is why no request is dropped.
   */
  #switchTo(
    args: EdgeArgs,
    server: Workload,
    volume: docker.Volume,
    certificate: pulumi.Output<CertificatePair>,
  ): pulumi.Output<string> {
    const upstreams = pulumi.all(
      args.upstreams.map(({ name, container }) =>
        pulumi
          .all([name, args.upstreamNetwork, container.networkDatas])
          .apply(([replica, network, attachments]) => planUpstream(replica, network, attachments)),
      ),
    );
    const trusted = pulumi.all([...(args.realIp?.from ?? [])]);
    const files = pulumi.all([upstreams, certificate, trusted]).apply(([replicas, pair, from]) => {
      const tls = {
        "tls/certificate.pem": { content: pair.certificate },
        "tls/key.pem": { content: pair.key },
      };
      const realIp = args.realIp && { from, header: args.realIp.header };
      const render = (release: string) =>
        renderNginx({ ...this.#settings(args), upstreams: replicas, release, tls: true, realIp });
      const release = contentHash(render("") + pair.certificate + hashOfPage(args.page));
      return { release, files: { "nginx.conf": { content: render(release) }, ...tls } };
    });
    const page = packPage(args.page, user);
    // The name of a release is a hash of public parts and a certificate, so it is not a secret.
    const release = pulumi.unsecret(files.apply((planned) => planned.release));
    const switched = dockerCommand(
      `omniai-${pulumi.getStack()}-edge-switch`,
      {
        engine: args.engine,
        script: 'docker exec -i -e RELEASE -e STATUS_PORT "$CONTAINER" sh -c "$SCRIPT"',
        environment: {
          SCRIPT: args.acme ? `${FIRST_CERTIFICATE_SCRIPT}${SWITCH_SCRIPT}` : SWITCH_SCRIPT,
          RELEASE: release,
          STATUS_PORT: String(STATUS_PORT),
          CONTAINER: server.names.apply(([name]) => name ?? ""),
        },
        stdin: pulumi.secret(
          files.apply(async (planned) => packFiles({ ...planned.files, ...(await page) }, user)),
        ),
        triggers: [volume.name],
        logging: "stderr",
      },
      { parent: this, dependsOn: [server], additionalSecretOutputs: ["stdout", "stderr"] },
    );
    return pulumi.all([release, switched.id]).apply(([name]) => name);
  }

  #settings(args: EdgeArgs): Omit<EdgeConfig, "upstreams" | "release" | "tls" | "realIp"> {
    const { upstreamPort, responseSeconds, corsOrigins, resourcePolicy, hosts, limits, httpsPort } = args;
    const pagePolicy = policyOf(args.page);
    const keepAlive = keepAliveLadder(args.switchSeconds);
    return {
      upstreamPort,
      responseSeconds,
      corsOrigins,
      resourcePolicy,
      hosts,
      limits,
      keepAlive,
      pagePolicy,
      ipv6: args.publishPorts && args.bindAddresses.some(isIPv6),
      ...(args.acme ? { acme: { httpsPort } } : {}),
    };
  }
}
