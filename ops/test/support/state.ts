/** Resources as a stack's state has them, for tests. */
import { TYPES, type StateResource } from "../../stack/state.ts";

export const urn = (name: string, type: string = TYPES.container): string =>
  `urn:pulumi:dev::omniai::${type}::${name}`;

export const container = (
  name: string,
  id: string,
  workload: string,
  replica: number,
  more = {},
): StateResource => ({
  urn: urn(name),
  type: TYPES.container,
  id,
  inputs: {
    labels: [
      { label: "io.omniai.workload", value: workload },
      { label: "io.omniai.replica", value: String(replica) },
    ],
  },
  ...more,
});
