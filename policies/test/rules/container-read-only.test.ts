/** The cases of rule container-read-only. */
import { containerReadOnly } from "../../rules/container-read-only.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerReadOnly, {
  passes: {
    "read-only": container(),
  },
  fails: {
    writable: [container({ readOnly: false }), /can be written/],
    "a tmpfs without a size": [container({ tmpfs: { "/tmp": "rw" } }), /\/tmp has no size/],
    "a mounted tmpfs without a size": [
      container({ mounts: [{ type: "tmpfs", target: "/x" }] }),
      /\/x has no size/,
    ],
    uploads: [container({ uploads: [{ file: "/x", content: "y" }] }), /uploads/],
  },
});
