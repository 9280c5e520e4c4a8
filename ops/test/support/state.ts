/** Resources as a stack's state has them, for tests. */
import { types, type StateResource } from "../../stack/state.ts";

export const urn = (name: string, type: string = types.container): string =>
  `urn:pulumi:dev::omniai::${type}::${name}`;

export const container = (
  name: string,
  id: string,
  workload: string,
  replica: number,
  more = {},
): StateResource => ({
  urn: urn(name),
  type: types.container,
  id,
  inputs: {
    labels: [
      { label: "io.omniai.workload", value: workload },
      { label: "io.omniai.replica", value: String(replica) },
    ],
  },
  ...more,
});
