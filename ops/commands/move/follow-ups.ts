/** What a move cannot do for its owner, said at its end. */
import { wantedPorts, type KnownConfig } from "../../stack/settings.ts";
import { npmRun } from "../../terminal/npm-run.ts";

/** Pure: a line each. */
export function describeFollowUps(config: KnownConfig, stack: string, host: string): string[] {
  const { tunnelEnabled: hasTunnel = false, edgeHosts = [] } = config;
  const isPublished = wantedPorts(config).length > 0;
  return [
    ...(hasTunnel ? ["The tunnel leads to the new machine already: its connectors went along."] : []),
    ...(isPublished
      ? [
          `DNS is yours to change: let ${edgeHosts.length > 0 ? edgeHosts.join(", ") : "every name of the stack"} lead to ${host} (A and AAAA). ` +
            "Until then the old edge answers 503 and tells clients to come back; they resume where they were.",
        ]
      : []),
    `Commit Pulumi.${stack}.yaml: it names the new machine.`,
    `The old machine keeps the data as it was, and nothing starts on it. When nobody needs it any more: ${npmRun("move", stack, "--finish")}`,
  ];
}
