/** A service with replicas and one with an edge on each machine of a lab, as the manager sees them. */
import { eventually } from "../http.ts";
import type { Lab } from "./lab.ts";
import type { Machine } from "./machine.ts";

export interface Services {
  /** The names of both services. */
  readonly services: { readonly backend: string; readonly edge: string };
  /** The machine of each task that runs and should. */
  placesOf(workload: "backend" | "edge"): string[];
  /** Waits until so many replicas run, for at most so many seconds; default 60. */
  serving(count: number, seconds?: number): Promise<true>;
  /** Waits until every machine of the lab is in the swarm, with an edge. */
  whole(): Promise<void>;
  /** A machine of these that has a replica; one is moved there where none has. */
  withReplica(machines: readonly Machine[]): Promise<Machine>;
}

export function watchServices(lab: Lab, services: Services["services"]): Services {
  const watched: Services = {
    services,
    placesOf: (workload) =>
      lab.manager
        .docker(
          ...["service", "ps", "--filter", "desired-state=running"],
          ...["--format", "{{.Node}} {{.CurrentState}}", services[workload]],
        )
        .split("\n")
        .filter((line) => / Running /.test(line))
        .map((line) => line.split(" ")[0] ?? ""),
    serving: (count, seconds = 60) =>
      eventually(
        `${count} replicas`,
        seconds,
        () => watched.placesOf("backend").length === count || undefined,
      ),
    async whole() {
      const isReady = (state: string): boolean => state === "Ready";
      await eventually("all machines", 90, () => Object.values(lab.states()).every(isReady));
      const { length } = lab.machines;
      await eventually("an edge on each", 60, () => watched.placesOf("edge").length === length);
    },
    async withReplica(machines) {
      const places = watched.placesOf("backend");
      const found = machines.find(({ name }) => places.includes(name));
      if (found !== undefined) return found;
      lab.manager.docker("service", "update", "--force", "--quiet", services.backend);
      return watched.withReplica(machines);
    },
  };
  return watched;
}
