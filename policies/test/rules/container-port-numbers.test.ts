/** The cases of rule container-port-numbers. */
import { containerPortNumbers } from "../../rules/container-port-numbers.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerPortNumbers, {
  passes: {
    "above 1023": container({ ports: [{ internal: 8080, external: 8080 }] }),
    "443": container({ ports: [{ internal: 8443, external: 443 }] }),
  },
  fails: {
    "22": [container({ ports: [{ internal: 22, external: 22 }] }), /port 22/],
    "one that nobody chose": [container({ ports: [{ internal: 8080 }] }), /nobody chose/],
  },
});
