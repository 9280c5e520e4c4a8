/** Every scenario, in the order of the table. */
import type { Scenario } from "../scenario.ts";
import type { StackEnvironment } from "../stack-environment.ts";
import { brokenVersions } from "./broken.ts";
import { changes } from "./change.ts";
import { machineFaults } from "./machine.ts";
import { replicaFaults } from "./replicas.ts";
import { storeFaults } from "./stores.ts";

export const scenarios: readonly Scenario<StackEnvironment>[] = [
  ...changes,
  ...brokenVersions,
  ...replicaFaults,
  ...storeFaults,
  ...machineFaults,
];
