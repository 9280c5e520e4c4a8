/**
 * The gate behind a container: a resource of its own, which fails as long as the container is not healthy. The engine's
 * own mark of such a container ("#initerror") goes with any refresh; a resource that was never made stays unmade.
 */
import type * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { dockerCommand } from "./command.ts";
import type { Engine } from "./engine.ts";

export interface GateArgs {
  readonly engine: Engine;
  readonly container: docker.Container;
  /** How many processes and threads the container may have: the provider has no property for it, and sees no difference. */
  readonly pids: number;
  /** How long it may take from here on to become healthy, in seconds. */
  readonly seconds: number;
}

/** What depends on the gate goes on only when the container is limited and healthy. */
export const createGate = (
  name: string,
  { engine, container, pids, seconds }: GateArgs,
  options: pulumi.CustomResourceOptions,
): command.local.Command =>
  dockerCommand(
    name,
    {
      engine,
      script: GATE_SCRIPT,
      environment: { PIDS: String(pids), CONTAINER: container.id, LIMIT: String(seconds) },
      logging: "stderr",
    },
    options,
  );

/**
 * The provider has waited for a new container already, so one look is enough for it. A container that is in the state
 * without having become healthy is given its time once more, unless its checks have decided or it has ended: it can be
 * healthy later, and then the next deploy goes on.
 */
export const GATE_SCRIPT = `docker update --pids-limit "$PIDS" "$CONTAINER" >/dev/null || exit 1
waited=0
while :; do
  state=$(docker inspect --format '{{.State.Status}}, {{.State.Health.Status}}' "$CONTAINER") || exit 1
  case $state in
  'running, healthy') exit 0 ;;
  'running, starting') [ "$waited" -lt "$LIMIT" ] || break ;;
  *) break ;;
  esac
  waited=$((waited + 1))
  sleep 1
done
name=$(docker inspect --format '{{.Name}}' "$CONTAINER")
echo "Container \${name#/} is not healthy ($state), so nothing goes on to it, and what served before goes on serving. Its log says why: docker logs \${name#/}" >&2
exit 1`;
