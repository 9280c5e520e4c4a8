/** Every row, in the order of the table. */
import type { Row } from "../scenario.ts";
import type { Scene } from "../stack-environment.ts";
import { brokenVersions } from "./broken.ts";
import { changes } from "./change.ts";
import { machineFaults } from "./machine.ts";
import { replicaFaults } from "./replicas.ts";
import { storeFaults } from "./stores.ts";

export const rows: readonly Row<Scene>[] = [
  ...changes,
  ...brokenVersions,
  ...replicaFaults,
  ...storeFaults,
  ...machineFaults,
];
