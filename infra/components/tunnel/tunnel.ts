/**
 * The Cloudflare tunnel: connectors that dial out, so that the host needs no open port, and what Cloudflare does for
 * the zone. Cloudflare's own objects and the traps of their provider are handled here and in the files beside it;
 * docs/decisions/0022-tunnel.md lists both.
 */
import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { isSwarm, type Engine } from "../../resources/engine.ts";
import { FileSet } from "../../resources/files.ts";
import { useImage } from "../../resources/image.ts";
import { createPassword } from "../../resources/password.ts";
import { ServiceFiles } from "../../resources/service-files.ts";
import { ServiceWorkload } from "../../service.ts";
import { Workload, type Replica } from "../../workload.ts";
import type { TunnelNetworks } from "../network/network.ts";
import { connectorUser, planConnector, planProcess, renderToken, SECRETS, TOKEN_FILE } from "./connector.ts";
import { planIngress } from "./ingress.ts";
import { planProvider } from "./provider.ts";
import { createWatch } from "./watch/watch.ts";
import { planFirewall, planRateLimit, zoneSettings } from "./zone.ts";

export interface TunnelArgs {
  readonly engine: Engine;
  /** The image of cloudflared. */
  readonly image: string;
  /** An image id with `sh`, `base64` and `tar` to write the token with: cloudflared's own has no shell. */
  readonly filesImage: pulumi.Input<string>;
  readonly networks: TunnelNetworks;
  /** The network of what is scraped; undefined where nobody watches. */
  readonly metricsNetwork?: pulumi.Output<string>;
  readonly accountId: string;
  readonly zoneId: string;
  /** Undefined: `cloudflare:apiToken` of the stack's config, else the provider takes CLOUDFLARE_API_TOKEN. */
  readonly apiToken: pulumi.Output<string> | undefined;
  /** The host names in the zone that lead to the edge. */
  readonly hostnames: readonly string[];
  /** The files of the page that the edge serves; empty where it serves none. */
  readonly pagePaths: readonly string[];
  /** The edge as the connectors see it, for example http://edge:8080, and what has to serve before they do. */
  readonly service: string;
  readonly edge: pulumi.Resource;
  /** How long the edge keeps an idle connection open, in seconds. */
  readonly edgeKeepaliveSeconds: number;
  /** True: everything is answered with 404, and the tunnel may be deleted. */
  readonly closing: boolean;
  /** How many connectors; not used in a swarm, where there is one on each node of the edge. */
  readonly replicas: number;
  /** The memory limit of one connector in MiB. */
  readonly memory: number;
  /** The CPU limit of one connector in cores. */
  readonly cpus: string;
  /** Whether this stack is the one that sets up the zone. */
  readonly manageZone: boolean;
  /** Requests to /api/ of one address in 10 seconds. */
  readonly rateLimit: number;
  /** Who is told when the tunnel is down; at least one address. */
  readonly alertEmails: readonly string[];
  /** Whom a worker at Cloudflare tells how the stack looks from outside, and by which token it sees the backups. */
  readonly watch?: { readonly url: pulumi.Output<string>; readonly token: pulumi.Output<string> | undefined };
  /** Whether there is a bucket for off-site backups. */
  readonly backups: boolean;
  /** A host name of the zone that leads to the page, and GitHub's name of it. */
  readonly page?: { readonly domain: string; readonly target: string };
}

/** Where off-site backups go. */
export interface BackupBucket {
  readonly name: pulumi.Output<string>;
  /** The S3 API of the account. */
  readonly endpoint: string;
}

export class Tunnel extends pulumi.ComponentResource {
  readonly id: pulumi.Output<string>;
  readonly imageId: pulumi.Output<string>;
  readonly names: pulumi.Output<string[]>;
  /** The containers of the connectors; in a swarm none is known. */
  readonly replicas: readonly Replica[];
  /** The first host name, known once a visitor gets through. */
  readonly hostname: pulumi.Output<string>;
  readonly bucket?: BackupBucket;
  readonly #provider: cloudflare.Provider;

  constructor(args: TunnelArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:tunnel:Tunnel", `${pulumi.getStack()}-tunnel`, {}, opts);
    this.#provider = new cloudflare.Provider("cloudflare", planProvider(args.apiToken), { parent: this });
    this.imageId = useImage(args.engine, "cloudflared", args.image, this);
    const secret = this.#createSecret();
    const tunnel = this.#createTunnel(args, secret);
    const config = this.#createConfig(args, tunnel);
    const connectors = this.#createConnectors(args, tunnel, config, secret);
    const records = this.#createRecords(args, tunnel, connectors);
    if (args.manageZone) this.#setUpZone(args);
    this.#createAlert(args, tunnel);
    if (args.watch && !args.closing) this.#createWatch(args, args.watch);
    if (args.backups) this.bucket = this.#createBucket(args);
    this.id = tunnel.id;
    this.names = connectors.names;
    this.replicas = connectors instanceof Workload ? connectors.replicas : [];
    this.hostname = pulumi.all(records.map(({ id }) => id)).apply(() => args.hostnames[0] ?? "");
    this.registerOutputs({ id: this.id, names: this.names, imageId: this.imageId, hostname: this.hostname });
  }

  get #options(): pulumi.CustomResourceOptions {
    return { parent: this, provider: this.#provider };
  }

  /**
   * For names that Cloudflare gives once: a deleted tunnel keeps its own for a while, and a bucket outlives the stack. So
   * another one has another name, and can stand beside the old one.
   */
  #createSuffix(args: TunnelArgs, name: string): pulumi.Output<string> {
    const id = new random.RandomId(
      name,
      { byteLength: 3, keepers: { account: args.accountId } },
      { parent: this },
    );
    return id.hex;
  }

  /**
   * What connectors identify themselves by: at least 32 bytes, in base64. Ours, so that nobody has to ask Cloudflare for the
   * token: that takes the right to write, in every preview as well. A password, because random bytes have themselves as
   * id, which previews show.
   */
  #createSecret(): pulumi.Output<string> {
    const password = createPassword("tunnel-secret", this, false);
    return password.apply((text) => Buffer.from(text).toString("base64"));
  }

  #createTunnel(args: TunnelArgs, secret: pulumi.Output<string>): cloudflare.ZeroTrustTunnelCloudflared {
    const name = `omniai-${pulumi.getStack()}`;
    const suffix = this.#createSuffix(args, `${name}-tunnel`);
    return new cloudflare.ZeroTrustTunnelCloudflared(
      name,
      {
        accountId: args.accountId,
        name: pulumi.interpolate`${name}-${suffix}`,
        // The default is "local", and every change of it is another tunnel.
        configSrc: "cloudflare",
        tunnelSecret: secret,
      },
      { ...this.#options, protect: !args.closing, deleteBeforeReplace: false },
    );
  }

  #createConfig(
    args: TunnelArgs,
    tunnel: cloudflare.ZeroTrustTunnelCloudflared,
  ): cloudflare.ZeroTrustTunnelCloudflaredConfig {
    const config = planIngress(args);
    return new cloudflare.ZeroTrustTunnelCloudflaredConfig(
      `omniai-${pulumi.getStack()}`,
      { accountId: args.accountId, tunnelId: tunnel.id, source: "cloudflare", config },
      {
        ...this.#options,
        // Deleting it does nothing at Cloudflare: it goes only with its tunnel.
        protect: !args.closing,
        deletedWith: tunnel,
        // The last rule connects to nothing, so what Cloudflare says about its connections is no change. When a host name
        // goes, the last rule keeps the connection settings of the one before, which mean nothing there either.
        ignoreChanges: [`config.ingresses[${config.ingresses.length - 1}].originRequest`],
      },
    );
  }

  #createConnectors(
    args: TunnelArgs,
    tunnel: cloudflare.ZeroTrustTunnelCloudflared,
    config: pulumi.Resource,
    secret: pulumi.Output<string>,
  ): Workload | ServiceWorkload {
    const token = pulumi
      .all([tunnel.id, secret])
      .apply(([tunnelId, tunnelSecret]) => renderToken(args.accountId, tunnelId, tunnelSecret));
    const connector = {
      ...args,
      image: this.imageId,
      networks: [
        args.networks.tunnel,
        args.networks.egress,
        ...(args.metricsNetwork ? [args.metricsNetwork] : []),
      ],
      // They start last and stop first: Cloudflare refuses to delete a tunnel with connections.
      dependsOn: [tunnel, config, args.edge],
    };
    if (isSwarm(args.engine)) {
      const files = new ServiceFiles(
        `omniai-${pulumi.getStack()}-cloudflared`,
        {
          engine: args.engine,
          workload: "cloudflared",
          owner: connectorUser,
          folder: SECRETS,
          secrets: { [TOKEN_FILE]: token },
        },
        { parent: this },
      );
      const service = { ...planProcess(connector), image: this.imageId, tasks: "edge nodes" as const, files };
      return new ServiceWorkload("cloudflared", service, { parent: this });
    }
    const secrets = new FileSet(
      `omniai-${pulumi.getStack()}-cloudflared-files`,
      {
        engine: args.engine,
        workload: "cloudflared",
        image: args.filesImage,
        owner: connectorUser,
        files: token.apply((content) => ({ [TOKEN_FILE]: { content } })),
      },
      { parent: this },
    );
    return new Workload("cloudflared", planConnector({ ...connector, secrets }), { parent: this });
  }

  /** Names lead to the tunnel only while somebody answers there: made after the connectors, gone before them. */
  #createRecords(
    args: TunnelArgs,
    tunnel: cloudflare.ZeroTrustTunnelCloudflared,
    connectors: Workload | ServiceWorkload,
  ): cloudflare.DnsRecord[] {
    const create = (name: string, content: pulumi.Input<string>, proxied: boolean): cloudflare.DnsRecord =>
      new cloudflare.DnsRecord(
        `omniai-${pulumi.getStack()}-${name}`,
        // 1 is "automatic", the only one for a proxied record. The name is whole, as Cloudflare gives it back.
        { zoneId: args.zoneId, name, type: "CNAME", content, proxied, ttl: 1 },
        // A record of another type is a replacement, and the new one clashes with the old one's name.
        { ...this.#options, deleteBeforeReplace: true, dependsOn: [connectors] },
      );
    // GitHub asks the DNS for its own name before it gets a certificate for the page, and again when it renews it.
    if (args.page) create(args.page.domain, args.page.target, false);
    return args.hostnames.map((name) =>
      create(name, pulumi.interpolate`${tunnel.id}.cfargotunnel.com`, true),
    );
  }

  #setUpZone(args: TunnelArgs): void {
    const name = `omniai-${pulumi.getStack()}`;
    for (const [settingId, value] of Object.entries(zoneSettings)) {
      new cloudflare.ZoneSetting(
        `${name}-${settingId}`,
        { zoneId: args.zoneId, settingId, value },
        this.#options,
      );
    }
    const { zoneId } = args;
    new cloudflare.Ruleset(`${name}-rate-limit`, { zoneId, ...planRateLimit(args.rateLimit) }, this.#options);
    new cloudflare.Ruleset(
      `${name}-firewall`,
      { zoneId, ...planFirewall(args.hostnames, args.pagePaths) },
      this.#options,
    );
  }

  #createAlert(args: TunnelArgs, tunnel: cloudflare.ZeroTrustTunnelCloudflared): void {
    const name = `omniai-${pulumi.getStack()}-tunnel-down`;
    new cloudflare.NotificationPolicy(
      name,
      {
        accountId: args.accountId,
        name,
        description: "The tunnel has no connection to Cloudflare, or has one again",
        enabled: true,
        alertType: "tunnel_health_event",
        filters: {
          tunnelIds: [tunnel.id],
          newStatuses: ["TUNNEL_STATUS_TYPE_DOWN", "TUNNEL_STATUS_TYPE_HEALTHY"],
        },
        mechanisms: { emails: args.alertEmails.map((id) => ({ id })) },
      },
      // Cloudflare tells of every mechanism, also of one that nothing is sent by; what is told of those is no change.
      { ...this.#options, ignoreChanges: ["mechanisms.pagerduties", "mechanisms.webhooks"] },
    );
  }

  #createWatch(args: TunnelArgs, { url, token }: NonNullable<TunnelArgs["watch"]>): void {
    const name = `omniai-${pulumi.getStack()}-watch`;
    const suffix = this.#createSuffix(args, name);
    const scriptName = pulumi.interpolate`${name}-${suffix}`;
    const [hostname = ""] = args.hostnames;
    createWatch({ accountId: args.accountId, name: scriptName, hostname, url, token }, this.#options);
  }

  #createBucket(args: TunnelArgs): BackupBucket {
    const name = `omniai-${pulumi.getStack()}-backups`;
    const suffix = this.#createSuffix(args, name);
    const bucket = new cloudflare.R2Bucket(
      name,
      {
        accountId: args.accountId,
        name: pulumi.interpolate`${name}-${suffix}`,
        jurisdiction: "default",
        storageClass: "Standard",
      },
      // Like a data volume it outlives the stack; the protection goes with the tunnel's, or the stack could not let go.
      { ...this.#options, protect: !args.closing, retainOnDelete: true },
    );
    return { name: bucket.name, endpoint: `https://${args.accountId}.r2.cloudflarestorage.com` };
  }
}
