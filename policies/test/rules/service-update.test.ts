/** The cases of rule service-update. */
import { serviceUpdate } from "../../rules/service-update.ts";
import { change, service, testRule } from "../support/cases.ts";

testRule(serviceUpdate, {
  passes: {
    "one at a time": service(),
    "a port": service(
      {},
      {},
      {},
      {
        endpointSpec: { ports: [{ targetPort: 1, publishMode: "host" }] },
        updateConfig: { ...change, order: "stop-first" },
        rollbackConfig: { ...change, order: "stop-first" },
      },
    ),
  },
  fails: {
    "the old one first": [
      service({}, {}, {}, { updateConfig: { ...change, order: "stop-first" } }),
      /updateConfig\.order is stop-first/,
    ],
    "a pause": [
      service({}, {}, {}, { updateConfig: { ...change, failureAction: undefined } }),
      /ends with a pause/,
    ],
    "all at once": [service({}, {}, {}, { updateConfig: { ...change, parallelism: 0 } }), /parallelism is 0/],
    "nobody looks": [
      service({}, {}, {}, { updateConfig: { ...change, monitor: "0s" } }),
      /monitor is not set/,
    ],
    "a rollback with a gap": [
      service({}, {}, {}, { rollbackConfig: { ...change, order: "stop-first" } }),
      /rollbackConfig\.order is stop-first/,
    ],
  },
});
