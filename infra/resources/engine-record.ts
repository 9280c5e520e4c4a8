/** Which engine a stack is on, kept in its state. */
import * as pulumi from "@pulumi/pulumi";
import { dockerCommand } from "./command.ts";
import type { Engine } from "./engine.ts";

/** The command whose output says which engine the stack is on. */
export const engineRecordName = (stack: string): string => `omniai-${stack}-engine`;

/** Prints which engine answers, as JSON {id, name}. */
export const ENGINE_SCRIPT = 'docker info --format \'{"id":{{json .ID}},"name":{{json .Name}}}\'';

/**
 * Keeps in the state which engine the stack is on: addresses stay the same when another machine answers there. It asks
 * once, and again when the address changes; ops compares (ops/stack/identity.ts).
 */
export function recordEngine(engine: Engine, parent: pulumi.Resource): void {
  dockerCommand(
    engineRecordName(pulumi.getStack()),
    {
      engine,
      script: ENGINE_SCRIPT,
      environment: {},
    },
    // The provider waits for what has to exist before the engine answers.
    // Protected: it stays when the stack is taken down, like the volumes whose engine it names.
    { parent, dependsOn: [engine.provider], protect: true },
  );
}
