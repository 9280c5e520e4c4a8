/** A remote machine, prepared over SSH before anything is deployed to it. */
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { renderStep, runAs, STEPS, type HostSettings } from "./plan.ts";

export interface HostArgs extends HostSettings {
  /** The name or address that SSH connects to. */
  readonly address: string;
  /** The machine's public host key, as /etc/ssh/ssh_host_*_key.pub has it. Another key ends the deploy. */
  readonly hostKey: string;
  /** The private key; undefined means the SSH agent. */
  readonly privateKey?: pulumi.Input<string>;
}

/** One command for each step: a preview shows each of them, and a changed step runs again. */
export class Host extends pulumi.ComponentResource {
  /** What to depend on before using the host. */
  readonly ready: readonly pulumi.CustomResource[];

  constructor(args: HostArgs, opts?: pulumi.ComponentResourceOptions) {
    const stack = pulumi.getStack();
    super("omniai:host:Host", `${stack}-host`, {}, opts);
    const commands: command.remote.Command[] = [];
    for (const step of STEPS) {
      const run = runAs(args.user);
      const previous = commands.at(-1);
      commands.push(
        new command.remote.Command(
          `omniai-${stack}-host-${step}`,
          {
            connection: {
              host: args.address,
              port: args.sshPort,
              user: args.user,
              hostKey: args.hostKey,
              privateKey: args.privateKey,
              dialErrorLimit: 5,
            },
            create: run,
            // Without an update, a change would replace the command.
            update: run,
            stdin: renderStep(step, args),
            addPreviousOutputInEnv: false,
          },
          // One after the other, because they share apt's lock.
          {
            parent: this,
            dependsOn: previous === undefined ? [] : [previous],
            customTimeouts: { create: "15m", update: "15m" },
          },
        ),
      );
    }
    this.ready = commands;
    this.registerOutputs({});
  }
}
