/** Changes of a stack on another machine: they take longer, and no client may notice them either. */
import type { BoxEnvironment } from "../box-environment.ts";
import { nothingDropped } from "../judge.ts";
import type { Scenario } from "../scenario.ts";

export const REMOTE_SCENARIOS: readonly Scenario<BoxEnvironment>[] = [
  {
    name: "remote-deploy",
    what: "deploy of a changed service to another machine, over SSH with 20 ms for a round trip",
    async act(environment) {
      environment.newVersion();
      return { recovery: (await environment.succeed("up", "--yes")).seconds };
    },
    judge: nothingDropped,
  },
  {
    name: "remote-rollback",
    what: "`npm run rollback` on another machine, in the same way",
    act: async (environment) => ({ recovery: (await environment.succeed("rollback")).seconds }),
    judge: nothingDropped,
  },
];
