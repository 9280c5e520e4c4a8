/** The cases of rule service-read-only. */
import { serviceReadOnly } from "../../rules/service-read-only.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceReadOnly, {
  passes: {
    "read-only": service(),
  },
  fails: {
    "a root that can be written": [service({ readOnly: undefined }), /root can be written/],
  },
});
