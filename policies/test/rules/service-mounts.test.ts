/** The cases of rule service-mounts. */
import { serviceMounts } from "../../rules/service-mounts.ts";
import { service, testRule } from "../support/cases.ts";

const options = { type: "tmpfs", device: "tmpfs", o: "size=64k,mode=1777" };
const shared = (driverOptions: object, more: object = {}) =>
  service({
    mounts: [
      {
        type: "volume",
        source: "x",
        target: "/x",
        readOnly: true,
        volumeOptions: { driverOptions },
        ...more,
      },
    ],
  });

testRule(serviceMounts, {
  passes: {
    memory: service(),
    "memory that others on the node see, to read": shared(options),
  },
  fails: {
    "a folder": [
      service({ mounts: [{ type: "bind", source: "/etc", target: "/x" }] }),
      /the bind \/etc at \/x/,
    ],
    "a volume": [service({ mounts: [{ type: "volume", source: "data", target: "/x" }] }), /the volume data/],
    "a volume of a disk": [shared({ ...options, type: "ext4", device: "/dev/sdb" }), /the volume x/],
    "memory without a size": [service({ mounts: [{ type: "tmpfs", target: "/x" }] }), /\/x has no size/],
    "memory of the node without a size": [shared({ ...options, o: "mode=1777" }), /at \/x has no size/],
    "memory of the node to write": [shared(options, { readOnly: false }), /writes into the memory x at \/x/],
  },
});
