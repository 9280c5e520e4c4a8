/** The cases of rule service-mounts. */
import { serviceMounts } from "../../rules/service-mounts.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceMounts, {
  passes: {
    memory: service(),
  },
  fails: {
    "a folder": [
      service({ mounts: [{ type: "bind", source: "/etc", target: "/x" }] }),
      /the bind \/etc at \/x/,
    ],
    "a volume": [service({ mounts: [{ type: "volume", source: "data", target: "/x" }] }), /the volume data/],
    "memory without a size": [service({ mounts: [{ type: "tmpfs", target: "/x" }] }), /\/x has no size/],
  },
});
