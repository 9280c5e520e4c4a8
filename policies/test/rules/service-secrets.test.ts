/** The cases of rule service-secrets. */
import { serviceSecrets } from "../../rules/service-secrets.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceSecrets, {
  passes: {
    none: service(),
    "the id of a secret": service({}, {}, { secrets: ["taskSpec.containerSpec.secrets.0.secretId"] }),
  },
  fails: {
    "in a variable": [
      service({}, {}, { secrets: ["taskSpec.containerSpec.env.PASSWORD"] }),
      /into taskSpec\.containerSpec\.env\.PASSWORD/,
    ],
    "in the command": [
      service({}, {}, { secrets: ["taskSpec.containerSpec.args.0"] }),
      /into taskSpec\.containerSpec\.args\.0/,
    ],
  },
});
