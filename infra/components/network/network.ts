/** The stack's networks. They decide which container can reach which, instead of firewalls inside the containers. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { recordEngine } from "../../resources/engine-record.ts";
import { isSwarm, type Engine } from "../../resources/engine.ts";
import { STACK_LABEL, toLabels } from "../../resources/labels.ts";
import { accessSubnets, gatewayOf, type Subnet } from "./subnet.ts";

export interface NetworksArgs {
  readonly engine: Engine;
  /** Whether what the nodes of a swarm send one another is encrypted; not used on one engine. */
  readonly encrypted: boolean;
  /** The subnet between the connectors of a tunnel and the edge; undefined without a tunnel. */
  readonly tunnelSubnet?: string;
  /** Where visitors come by IPv6, and not through a tunnel: the IPv4 subnet of their network; empty: by the stack's name. */
  readonly accessSubnet?: string;
  /** Whether copies of backups leave the host. */
  readonly offsite?: boolean;
  /** Whether the stack is watched, and whether somebody outside is told. */
  readonly monitoring?: { readonly tells: boolean };
}

/** The networks of the monitoring. */
export interface MonitoringNetworks {
  /** What is scraped, and who scrapes it; no way out. */
  readonly metrics: pulumi.Output<string>;
  /** The tunnel's connectors and who scrapes them: they must reach no replica but through the edge. */
  readonly connectors?: pulumi.Output<string>;
  /** The parts of the monitoring among themselves; no way out. What is scraped cannot reach them. */
  readonly monitoring: pulumi.Output<string>;
  /** The way out of who tells; undefined where nobody is told. */
  readonly alerts?: pulumi.Output<string>;
}

/** The networks of a tunnel's connectors. */
export interface TunnelNetworks {
  /** The connectors and the edge; no way out. */
  readonly tunnel: pulumi.Output<string>;
  /**
   * The connectors' way out; no other container is on it. If the edge were, its name would lead there as well, and
   * requests would come from addresses that the edge must not trust.
   */
  readonly egress: pulumi.Output<string>;
  /** Who is trusted about the visitor's address, and in which header: Cloudflare sets it and drops a visitor's own. */
  readonly realIp: { readonly from: readonly string[]; readonly header: "CF-Connecting-IP" };
}

/**
 * The networks by name; in a swarm, where they reach over all of its nodes, by id. A workload that is not on a network cannot
 * be reached through it.
 */
export class Networks extends pulumi.ComponentResource {
  /** The edge, when it publishes ports. */
  readonly public: pulumi.Output<string>;
  /** By name, where a migration gets out to a database that others run. In a swarm it is the manager's own. */
  readonly migration: pulumi.Output<string>;
  /**
   * The edge alone, where it is reached by IPv6: with addresses of both families, so that the engine hands visitors' packets
   * on as they are. Without an IPv6 address of the container they would come from the engine, with its address.
   */
  readonly access?: pulumi.Output<string>;
  /** The edge and the replicas of the service; with a way out, for AI providers. */
  readonly app: pulumi.Output<string>;
  /** The service, PostgreSQL, Redis and backups; no way out. */
  readonly data: pulumi.Output<string>;
  /** The way out of copies of backups; only their gate is on it. Present only where there are any. */
  readonly offsite?: pulumi.Output<string>;
  /** Present only with a tunnel. */
  readonly tunnel?: TunnelNetworks;
  /** Present only in a stack that is watched. */
  readonly monitoring?: MonitoringNetworks;

  constructor(args: NetworksArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:network:Networks", `${pulumi.getStack()}-networks`, {}, opts);
    recordEngine(args.engine, this);
    const swarm = isSwarm(args.engine);
    const create = (
      name: string,
      internal: boolean,
      subnets: readonly Subnet[] = [],
      overlay = swarm,
    ): pulumi.Output<string> => {
      const isEncrypted = overlay && args.encrypted;
      // An encrypted one has another name, so that it is another network: what it is made with cannot be changed.
      const fullName = `omniai-${pulumi.getStack()}-${name}${isEncrypted ? "-encrypted" : ""}`;
      const network = new docker.Network(
        fullName,
        {
          name: fullName,
          internal,
          ...(overlay ? planOverlay(isEncrypted) : { driver: "bridge" }),
          ...(subnets.length === 0 ? {} : { ipamConfigs: [...subnets] }),
          ...(subnets.some(({ subnet }) => subnet.includes(":")) ? { ipv6: true } : {}),
          labels: toLabels({ [STACK_LABEL]: pulumi.getStack() }),
        },
        {
          parent: this,
          provider: args.engine.provider,
          deleteBeforeReplace: true,
          // The swarm adds the numbers of its own, and the provider would replace the network in every deploy.
          ignoreChanges: overlay ? ["options"] : [],
        },
      );
      return overlay ? network.id : network.name;
    };
    this.app = create("app", false);
    if (swarm) {
      // A task that publishes ports does so through its node's own bridge, and what holds data is with others.
      this.public = this.app;
      this.data = this.app;
      // No container of a command can join an overlay that is for services alone.
      this.migration = create("migration", false, [], false);
    } else {
      this.public = create("public", false);
      // Engines before 28 publish a container's ports through the first of its networks that leads out, by name: this one.
      if (args.accessSubnet !== undefined)
        this.access = create("access", false, accessSubnets(pulumi.getStack(), args.accessSubnet));
      this.data = create("data", true);
      this.migration = this.app;
    }
    if (args.offsite === true) this.offsite = create("offsite", false);
    if (args.tunnelSubnet !== undefined) {
      this.tunnel = {
        tunnel: create("tunnel", true, [
          { subnet: args.tunnelSubnet, gateway: gatewayOf(args.tunnelSubnet) },
        ]),
        egress: create("egress", false),
        realIp: { from: [args.tunnelSubnet], header: "CF-Connecting-IP" },
      };
    }
    if (args.monitoring !== undefined) {
      this.monitoring = {
        metrics: create("metrics", true),
        ...(args.tunnelSubnet === undefined ? {} : { connectors: create("connectors", true) }),
        monitoring: create("monitoring", true),
        ...(args.monitoring.tells ? { alerts: create("alerts", false) } : {}),
      };
    }
    this.registerOutputs({ public: this.public, app: this.app, data: this.data });
  }
}

/** Pure: a network over the nodes of a swarm, for its services alone. */
const planOverlay = (encrypted: boolean): Pick<docker.NetworkArgs, "driver" | "attachable" | "options"> => ({
  driver: "overlay",
  attachable: false,
  // That the option is there is what counts.
  ...(encrypted ? { options: { encrypted: "true" } } : {}),
});
