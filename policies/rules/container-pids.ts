/**
 * Rule container-pids. A process that multiplies must not take the host down. @pulumi/docker has no property for the
 * limit (docs/decisions/0005-limits-by-command.md).
 */
import { COMMAND, CONTAINER, stackRule, type Declared } from "../rule.ts";

interface CommandProps {
  readonly create?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Out of the properties that are known before the update: the container's id, which is not, is a dependency. */
function limits(command: Declared): boolean {
  const { create, environment } = command.props as CommandProps;
  return /\bdocker update --pids-limit\b/.test(create ?? "") && Number(environment?.["PIDS"]) > 0;
}

export const containerPids = stackRule({
  name: "container-pids",
  title: "A limit on the number of processes is set for every container, by a command of its own.",
  source: "CIS Docker 5.29",
  remedy: "Make the container with Workload (infra/workload.ts), which sets it.",
  *check(resources) {
    const commands = resources.filter(({ type }) => type === COMMAND).filter(limits);
    const limited = new Set(commands.flatMap(({ dependencies }) => dependencies["environment"] ?? []));
    for (const resource of resources.filter(({ type }) => type === CONTAINER)) {
      if (!limited.has(resource.urn)) yield { what: "no command sets its pids limit.", resource };
    }
  },
});
