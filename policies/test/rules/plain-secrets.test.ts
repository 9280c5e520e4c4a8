import { plainSecrets } from "../../rules/plain-secrets.ts";
import { resource, testRule } from "../support/cases.ts";

const password = resource(
  "random:index/randomPassword:RandomPassword",
  "password",
  {},
  {
    texts: [{ path: "result", value: "correct-horse-battery", secret: true }],
  },
);

testRule(plainSecrets, {
  passes: {
    "kept a secret": [
      password,
      resource(
        "pulumi:pulumi:Stack",
        "omniai-prod",
        {},
        { texts: [{ path: "url", value: "redis://user:correct-horse-battery@redis", secret: true }] },
      ),
    ],
  },
  fails: {
    "in an output": [
      [
        password,
        resource(
          "pulumi:pulumi:Stack",
          "omniai-prod",
          {},
          { texts: [{ path: "url", value: "redis://user:correct-horse-battery@redis", secret: false }] },
        ),
      ],
      /in url/,
    ],
  },
});
