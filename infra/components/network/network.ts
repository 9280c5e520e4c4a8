/** The stack's networks. They decide which container can reach which, instead of firewalls inside the containers. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../../resources/engine.ts";
import { STACK_LABEL, toLabels } from "../../resources/labels.ts";
import { gatewayOf } from "./subnet.ts";

export interface NetworksArgs {
  readonly engine: Engine;
  /** The subnet between the connectors of a tunnel and the edge; undefined without a tunnel. */
  readonly tunnelSubnet?: string;
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

/** The networks by name. A workload that is not on a network cannot be reached through it. */
export class Networks extends pulumi.ComponentResource {
  /** The edge, when it publishes ports. */
  readonly public: pulumi.Output<string>;
  /** The edge and the replicas of the service; with a way out, for AI providers. */
  readonly app: pulumi.Output<string>;
  /** The service, PostgreSQL, Redis and backups; no way out. */
  readonly data: pulumi.Output<string>;
  /** Present only with a tunnel. */
  readonly tunnel?: TunnelNetworks;

  constructor(args: NetworksArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:network:Networks", `${pulumi.getStack()}-networks`, {}, opts);
    const create = (name: string, internal: boolean, subnet?: string): pulumi.Output<string> => {
      const fullName = `omniai-${pulumi.getStack()}-${name}`;
      return new docker.Network(
        fullName,
        {
          name: fullName,
          driver: "bridge",
          internal,
          ...(subnet === undefined ? {} : { ipamConfigs: [{ subnet, gateway: gatewayOf(subnet) }] }),
          labels: toLabels({ [STACK_LABEL]: pulumi.getStack() }),
        },
        { parent: this, provider: args.engine.provider, deleteBeforeReplace: true },
      ).name;
    };
    this.public = create("public", false);
    this.app = create("app", false);
    this.data = create("data", true);
    if (args.tunnelSubnet !== undefined) {
      this.tunnel = {
        tunnel: create("tunnel", true, args.tunnelSubnet),
        egress: create("egress", false),
        realIp: { from: [args.tunnelSubnet], header: "CF-Connecting-IP" },
      };
    }
    this.registerOutputs({ public: this.public, app: this.app, data: this.data });
  }
}
