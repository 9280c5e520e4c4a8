/** A stack's state, as it has to be for a deploy where the stack's data is now. */
import { engineRecordName } from "../../../infra/resources/engine-record.ts";
import { withoutResources } from "../../stack/forgotten-record.ts";
import { nameOf, resourcesOf, types, type State, type StateResource } from "../../stack/state.ts";

const PROVIDER = "pulumi:providers:docker";

/** What is made anew where it is missing. Of a volume with data the identity decides, not the state. */
const MADE: readonly string[] = [types.container, types.network, types.volume];

/** The engine's id for it; of a volume its name. */
const isThere = ({ id = "" }: StateResource, there: ReadonlySet<string>): boolean => there.has(id);

/**
 * Pure: the state as if the stack had always been on this engine. A refresh asks by the provider that the state has: it would find the
 * containers and networks of the old machine, and the deploy would take them for those of the new one. What of them the new machine does
 * not have is forgotten here: to find out one by one what is gone takes time in which nobody is served.
 * @param there ids of containers and networks and names of volumes that the engine has.
 */
export function stateAt(state: State, stack: string, host: string, there: ReadonlySet<string>): State {
  const gone = resourcesOf(state).filter(
    (one) =>
      nameOf(one.urn) === engineRecordName(stack) ||
      (MADE.includes(one.type) && one.protect !== true && !isThere(one, there)),
  );
  const rest = withoutResources(
    state,
    gone.map(({ urn }) => urn),
  );
  return {
    ...rest,
    resources: resourcesOf(rest).map((resource) =>
      resource.type !== PROVIDER || resource.inputs?.["host"] === undefined
        ? resource
        : {
            ...resource,
            inputs: { ...resource.inputs, host },
            outputs: { ...resource.outputs, host },
          },
    ),
  };
}
