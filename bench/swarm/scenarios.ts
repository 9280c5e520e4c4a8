/** What happens to a service on several machines, whoever has deployed it. */
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../../test/support/http.ts";
import { BACK_SECONDS } from "../../test/support/swarm/clients.ts";
import type { Machine } from "../../test/support/swarm/machine.ts";
import { atMost, nothingDropped, nothingLost } from "../resilience/judge.ts";
import type { Evidence, Outcome, Scenario, Verdict } from "../resilience/scenario.ts";
import type { LabEnvironment } from "./environment.ts";

export interface LabScenario extends Scenario<LabEnvironment> {
  /** Whether somebody does it on purpose, so that no client may notice; what is in flight on a lost machine may fail. */
  readonly isPlanned: boolean;
}

/** How long a manager is away, and the network between machines cut, in seconds. */
const AWAY_SECONDS = 20;
const CUT_SECONDS = 30;
/** How long the swarm may take to miss a machine, and to have its replicas elsewhere, in seconds. */
const MISS_SECONDS = 60;
const ELSEWHERE_SECONDS = 90;

const took = async (work: () => Promise<void>): Promise<Outcome> => {
  const begun = performance.now();
  await work();
  return { recovery: (performance.now() - begun) / 1000 };
};

const backInTime = (evidence: Evidence): Verdict[] => [
  ...nothingLost(evidence),
  atMost("the last request that failed", evidence.figures.lastFailure, BACK_SECONDS, "s after"),
];

/** The load goes on until somebody would notice that it does not serve again. */
const lateEnough = (): number => Date.now() + (BACK_SECONDS + 1) * 1000;

interface Loss {
  readonly name: string;
  readonly what: string;
  /** Which machine is lost, chosen before the load; default: a worker with a replica. Clients ask the others. */
  readonly choose?: (environment: LabEnvironment) => Promise<Machine>;
  readonly act: (environment: LabEnvironment, lost: Machine) => Promise<void>;
  readonly after?: (lost: Machine) => Promise<void>;
}

function loss({ name, what, choose, act, after }: Loss): LabScenario {
  let lost: Machine | undefined;
  const chosen = (): Machine => {
    if (lost === undefined) throw new Error("no machine was chosen");
    return lost;
  };
  return {
    ...{ name, what, isPlanned: false, judge: backInTime },
    async before(environment) {
      const { lab } = environment;
      lost = await (choose?.(environment) ?? environment.withReplica(lab.workers));
      environment.visit(lab.machines.filter((machine) => machine !== lost));
      return undefined;
    },
    async act(environment) {
      await act(environment, chosen());
      return { loadUntil: lateEnough() };
    },
    async after(environment) {
      await after?.(chosen());
      await environment.whole();
      await environment.serving(2, ELSEWHERE_SECONDS);
    },
  };
}

const planned = (
  name: string,
  what: string,
  act: (environment: LabEnvironment) => Promise<void>,
  after: (environment: LabEnvironment) => Promise<void> = () => Promise.resolve(),
): LabScenario => ({
  ...{ name, what, isPlanned: true, judge: nothingDropped, after },
  before(environment) {
    environment.visit(environment.lab.machines.slice(0, 2));
    return Promise.resolve(undefined);
  },
  act: (environment) => took(() => act(environment)),
});

/** The one that a planned change takes away. */
const last = ({ lab }: LabEnvironment): Machine => {
  const found = lab.workers.at(-1);
  if (found === undefined) throw new Error("the lab has no worker");
  return found;
};

export const SCENARIOS: readonly LabScenario[] = [
  planned("deploy", "deploy of a changed service", (environment) => environment.deploy()),
  planned("scale", "scale 2 → 6 → 2", async (environment) => {
    await environment.scale(6);
    await environment.serving(6);
    await environment.scale(2);
    await environment.serving(2);
  }),
  planned(
    "drain",
    "a node drained",
    async (environment) => {
      await environment.drain(last(environment));
      await environment.serving(2);
    },
    async (environment) => {
      const { name } = last(environment);
      environment.lab.manager.docker("node", "update", "--availability", "active", name);
      await environment.whole();
    },
  ),
  loss({
    name: "worker",
    what: "a worker's power cut",
    async act(environment, lost) {
      lost.cutPower();
      await eventually("a lost machine", MISS_SECONDS, () => environment.lab.states()[lost.name] === "Down");
      await environment.serving(2, ELSEWHERE_SECONDS);
    },
    after: (lost) => lost.restorePower(),
  }),
  loss({
    name: "manager",
    what: `the only manager's power cut, and back after ${AWAY_SECONDS} s`,
    choose: ({ lab }) => Promise.resolve(lab.manager),
    async act(_, lost) {
      lost.cutPower();
      await sleep(AWAY_SECONDS * 1000);
      await lost.restorePower();
    },
    // Where the act broke off.
    after: (lost) => lost.restorePower(),
  }),
  loss({
    name: "cut",
    what: `the network between a worker and the others cut for ${CUT_SECONDS} s`,
    async act({ lab }, lost) {
      lost.cutFrom(lab.machines.filter((machine) => machine !== lost).map(({ address }) => address));
      await sleep(CUT_SECONDS * 1000);
      lost.heal();
    },
    // Where the act broke off.
    after: (lost) => Promise.resolve(lost.heal()),
  }),
];
