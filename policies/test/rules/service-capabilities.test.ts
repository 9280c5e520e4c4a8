/** The cases of rule service-capabilities. */
import { serviceCapabilities } from "../../rules/service-capabilities.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceCapabilities, {
  passes: {
    none: service(),
  },
  fails: {
    "those of the engine": [service({ capDrops: undefined }), /lacks "ALL"/],
    "one more": [service({ capAdds: ["NET_ADMIN"] }), /adds the capability NET_ADMIN/],
    "without a label": [service({ privileges: { seLinuxContext: { disable: true } } }), /no SELinux label/],
  },
});
