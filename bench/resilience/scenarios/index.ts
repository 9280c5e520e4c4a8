/** Every scenario, in the order of the table. */
import type { Scenario } from "../scenario.ts";
import type { StackEnvironment } from "../stack-environment.ts";
import { BROKEN_VERSIONS } from "./broken.ts";
import { CHANGES } from "./change.ts";
import { MACHINE_FAULTS } from "./machine.ts";
import { REPLICA_FAULTS } from "./replicas.ts";
import { STORE_FAULTS } from "./stores.ts";

export const SCENARIOS: readonly Scenario<StackEnvironment>[] = [
  ...CHANGES,
  ...BROKEN_VERSIONS,
  ...REPLICA_FAULTS,
  ...STORE_FAULTS,
  ...MACHINE_FAULTS,
];
