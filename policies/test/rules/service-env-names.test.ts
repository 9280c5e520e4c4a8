/** The cases of rule service-env-names. */
import { serviceEnvNames } from "../../rules/service-env-names.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceEnvNames, {
  passes: {
    "a file": service({ env: { DATABASE_PASSWORD_FILE: "/run/secrets/password" } }),
  },
  fails: {
    "a password": [service({ env: { DATABASE_PASSWORD: "x" } }), /DATABASE_PASSWORD is named like a secret/],
  },
});
