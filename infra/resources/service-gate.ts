/**
 * The gate behind a service: a resource of its own, which fails as long as the swarm does not run the release that was asked
 * for. The provider itself cannot wait: of a service on every node it knows no number of tasks, and of a rolling update it
 * says that it is complete as soon as enough tasks run, whatever they are.
 */
import type * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { dockerCommand } from "./command.ts";
import type { Engine } from "./engine.ts";
import { EDGE_NODE_LABEL } from "./labels.ts";

export interface ServiceGateArgs {
  readonly engine: Engine;
  /** The id of the service. */
  readonly service: pulumi.Input<string>;
  /** What its tasks have in the variable TASK_RELEASE. */
  readonly release: pulumi.Input<string>;
  /** How many tasks there have to be; undefined: one on each node that is labelled for the edge. */
  readonly tasks: number | undefined;
  /** How long it may take from here on, in seconds. */
  readonly seconds: number;
}

/**
 * Where a task has the hash of all that makes it, so that one of this release is told from one before. Not a label: for
 * another label of its tasks, the provider would replace the whole service.
 */
export const RELEASE_VARIABLE = "TASK_RELEASE";

/** What depends on the gate goes on only when every task is of the release and healthy. */
export const createServiceGate = (
  name: string,
  { engine, service, release, tasks, seconds }: ServiceGateArgs,
  options: pulumi.CustomResourceOptions,
): command.local.Command =>
  dockerCommand(
    name,
    {
      engine,
      script: SERVICE_GATE_SCRIPT,
      environment: {
        SERVICE: service,
        RELEASE: release,
        TASKS: tasks === undefined ? "" : String(tasks),
        LIMIT: String(seconds),
      },
      logging: "stderr",
    },
    options,
  );

/**
 * A task runs only when its health check says so. A swarm that rolls back puts the release before into the service, so the
 * service itself says which one it is going to; a rollback is nothing to wait for.
 */
export const SERVICE_GATE_SCRIPT = `name=$(docker service inspect --format '{{.Spec.Name}}' "$SERVICE") || exit 1
fail() {
  echo "Service $name $1. $2 Its tasks say why: docker service ps --no-trunc $name; its log: docker service logs $name" >&2
  exit 1
}
release_in() { sed -n 's/^${RELEASE_VARIABLE}=//p'; }
old='What served before goes on serving.'
waited=0
while :; do
  release=$(docker service inspect --format '{{range .Spec.TaskTemplate.ContainerSpec.Env}}{{println .}}{{end}}' "$SERVICE" | release_in)
  update=$(docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.State}} {{.UpdateStatus.Message}}{{else}}none{{end}}' "$SERVICE") || exit 1
  state=\${update%% *} message=\${update#* }
  case $release/$state in
  */paused | */rollback_paused) fail "stopped in the middle of an update ($message)" "$old" ;;
  "$RELEASE"/*) ;;
  *) fail "went back to the release before ($state: $message)" "$old npm run up tries again." ;;
  esac
  ids=$(docker service ps --quiet --no-trunc --filter desired-state=running "$SERVICE") || exit 1
  wanted=0 ready=0
  for id in $ids; do
    wanted=$((wanted + 1))
    # A task may be gone by now; then it is one that is not ready.
    task=$(docker inspect --type task --format '{{println .Status.State}}{{range .Spec.ContainerSpec.Env}}{{println .}}{{end}}' "$id" 2>/dev/null) || task=
    case $task in
    running*) if [ "$(printf '%s\n' "$task" | release_in)" = "$RELEASE" ]; then ready=$((ready + 1)); fi ;;
    esac
  done
  if [ "$ready" -gt 0 ] && [ "$ready" = "$wanted" ] && [ "$ready" = "\${TASKS:-$wanted}" ] && [ "$state" != updating ]; then exit 0; fi
  [ "$waited" -lt "$LIMIT" ] || break
  waited=$((waited + 1))
  sleep 1
done
if [ -z "$TASKS" ] && [ "$wanted" = 0 ]; then
  fail "runs nowhere" "No node is labelled for it: docker node update --label-add ${EDGE_NODE_LABEL}=true NODE."
fi
fail "has $ready of \${TASKS:-$wanted} tasks running after $waited s ($state)" "$old"`;
