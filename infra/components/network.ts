/** The stack's networks: who can reach whom is decided here, not by firewalls inside containers. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../engine.ts";
import { STACK_LABEL, toLabels } from "../labels.ts";

export interface NetworksArgs {
  readonly engine: Engine;
}

/** The networks by name. A workload that is not on a network cannot be reached through it. */
export class Networks extends pulumi.ComponentResource {
  /** The edge, and the tunnel when there is one. */
  readonly public: pulumi.Output<string>;
  /** The edge and the replicas of the service; with a way out, for AI providers. */
  readonly app: pulumi.Output<string>;
  /** The service, PostgreSQL, Redis and backups; no way out. */
  readonly data: pulumi.Output<string>;

  constructor(args: NetworksArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:network:Networks", `${pulumi.getStack()}-networks`, {}, opts);
    const create = (name: string, internal: boolean): pulumi.Output<string> => {
      const fullName = `omniai-${pulumi.getStack()}-${name}`;
      return new docker.Network(
        fullName,
        {
          name: fullName,
          driver: "bridge",
          internal,
          labels: toLabels({ [STACK_LABEL]: pulumi.getStack() }),
        },
        { parent: this, provider: args.engine.provider, deleteBeforeReplace: true },
      ).name;
    };
    this.public = create("public", false);
    this.app = create("app", false);
    this.data = create("data", true);
    this.registerOutputs({ public: this.public, app: this.app, data: this.data });
  }
}
