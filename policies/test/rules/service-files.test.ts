/** The cases of rule service-files. */
import { serviceFiles } from "../../rules/service-files.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceFiles, {
  passes: {
    "its owner's": service(),
  },
  fails: {
    "everybody's": [
      service({ configs: [{ configId: "x", fileName: "/f", fileMode: 0o444, fileUid: "101" }] }),
      /\/f is not for its owner alone/,
    ],
    "root's": [service({ secrets: [{ secretId: "x", fileName: "/f", fileMode: 0o400 }] }), /\/f is root/],
  },
});
