/** The edge: nginx, the one way in. A change of configuration never replaces its container. */
import type * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { contentHash, packFiles } from "../../resources/archive.ts";
import { dockerCommand } from "../../resources/command.ts";
import { useImage } from "../../resources/image.ts";
import { STACK_LABEL, toLabels, WORKLOAD_LABEL } from "../../resources/labels.ts";
import { writeIntoVolume } from "../../resources/short-lived.ts";
import { Workload, type Replica } from "../../workload.ts";
import { EDGE_SCRIPT, FIRST_CERTIFICATE_SCRIPT, HANDOVER_FOLDER } from "./acme.ts";
import type { CertificatePair } from "./certificate.ts";
import { limitScript } from "./memory.ts";
import {
  HTTP_PORT,
  HTTPS_PORT,
  renderNginx,
  SECOND_HTTP_PORT,
  SECOND_HTTPS_PORT,
  STATUS_PORT,
} from "./nginx.ts";
import { hashOfPage, packPage } from "./page.ts";
import { certificateEnds, createCertificate, settingsOf, user, type EdgeSettings } from "./settings.ts";
import { EDGE_FOLDER, FIRST_RELEASE_SCRIPT, PLAIN_SCRIPT, SWITCH_SCRIPT } from "./switch.ts";
import { planUpstream } from "./upstream.ts";

export interface EdgeArgs extends EdgeSettings {
  /** The host addresses of the ports that are published. With one of IPv6, one of the networks has to know IPv6. */
  readonly bindAddresses: readonly string[];
  /** The replicas to send requests to, and the network that they share with the edge. */
  readonly upstreams: readonly Replica[];
  readonly upstreamNetwork: pulumi.Input<string>;
}

export { user } from "./settings.ts";

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
    const certificate = createCertificate(args, this);
    this.certificateEnds = certificateEnds(certificate);
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
    const first = renderNginx({ ...settingsOf(args), upstreams: [], release: "first", tls: false });
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
        entrypoint: ["sh", "-c"],
        command: [`${limitScript(args.memory)}${this.handover === undefined ? PLAIN_SCRIPT : EDGE_SCRIPT}`],
        networks: args.networks,
        ports: args.publishPorts
          ? args.bindAddresses.flatMap((address, index) => [
              { internal: index === 0 ? HTTP_PORT : SECOND_HTTP_PORT, external: args.httpPort, address },
              { internal: index === 0 ? HTTPS_PORT : SECOND_HTTPS_PORT, external: args.httpsPort, address },
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
        renderNginx({ ...settingsOf(args), upstreams: replicas, release, tls: true, realIp });
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
}
