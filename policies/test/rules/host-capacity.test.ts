/** The cases of rule host-capacity. */
import { hostCapacity } from "../../rules/host-capacity.ts";
import { container, service, testRule } from "../support/cases.ts";

testRule(hostCapacity, {
  passes: {
    "small enough": [container(), container()],
    "two tasks of a service": [service()],
    "what takes only cores that nobody else wants": [
      container({ cpus: "3" }),
      container({ cpus: "3", cpuShares: 16 }),
    ],
    "one that is deleted first counts once": [
      container({ memory: 1500 }, { options: { protect: false, deleteBeforeReplace: true } }),
    ],
  },
  fails: {
    "too much memory during a deploy": [[container({ memory: 1500 })], /1500 MiB, 3000 MiB while a deploy/],
    "shares instead of a limit": [
      [container(), container({ cpus: undefined, cpuShares: 512 })],
      /no cpus, so it is not known/,
    ],
    "too many tasks during a deploy": [
      [service({}, {}, {}, { mode: { replicated: { replicas: 6 } } })],
      /1152 MiB, 2304 MiB while a deploy/,
    ],
    "too many cores, of which one has a usual weight": [
      [container({ cpus: "3" }), container({ cpus: "3", cpuShares: 512 })],
      /6 cores; the host has 4/,
    ],
    "too many cores": [[container({ cpus: "3" }), container({ cpus: "1.5" })], /4\.5 cores; the host has 4/],
  },
});
