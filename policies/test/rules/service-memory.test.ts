/** The cases of rule service-memory. */
import { serviceMemory } from "../../rules/service-memory.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceMemory, {
  passes: {
    "a limit": service(),
  },
  fails: {
    "no limit": [service({}, { resources: { limits: { nanoCpus: 1 } } }), /no memory limit/],
    "a reservation alone": [
      service({}, { resources: { reservation: { memoryBytes: 1 } } }),
      /no memory limit/,
    ],
  },
});
