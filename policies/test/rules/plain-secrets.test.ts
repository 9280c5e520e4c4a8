/** The cases of rule plain-secrets. */
import { runtime } from "@pulumi/pulumi";
import { plainSecrets } from "../../rules/plain-secrets.ts";
import { resource, service, testRule } from "../support/cases.ts";

const password = resource(
  "random:index/randomPassword:RandomPassword",
  "password",
  {},
  {
    texts: [{ path: "result", value: "correct-horse-battery", secret: true }],
  },
);

/** A secret, and the same value in plain elsewhere. */
const leaking = (value: string) => [
  resource(
    "random:index/randomUuid:RandomUuid",
    "key",
    {},
    { texts: [{ path: "result", value, secret: true }] },
  ),
  resource("pulumi:pulumi:Stack", "omniai-prod", {}, { texts: [{ path: "key", value, secret: false }] }),
];

const SECRETS = "taskSpec.containerSpec.secrets";

testRule(plainSecrets, {
  passes: {
    "what is not known yet, in a preview": leaking(runtime.unknownValue),
    "public, a file, or empty": [
      resource(
        "command:remote:Command",
        "step",
        {},
        {
          texts: [
            { path: "connection.hostKey", value: "ssh-ed25519 AAAA", secret: false },
            { path: "environment.TOKEN_FILE", value: "/run/secrets/token", secret: false },
            { path: "connection.password", value: "", secret: false },
          ],
        },
      ),
    ],
    "the name of a swarm's secret": [
      service(
        {},
        {},
        { texts: [{ path: `${SECRETS}.0.secretName`, value: "omniai-1-0a1b", secret: false }] },
      ),
    ],
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
    "beside the name of a swarm's secret": [
      [service({}, {}, { texts: [{ path: `${SECRETS}.0.data.secretName`, value: "short", secret: false }] })],
      /named like a secret/,
    ],
    "in a property that only its name gives away": [
      [
        resource(
          "command:remote:Command",
          "step",
          {},
          { texts: [{ path: "connection.privateKey", value: "short", secret: false }] },
        ),
      ],
      /connection\.privateKey is named like a secret/,
    ],
    "a secret that is a UUID": [leaking("0f8fad5b-d9cb-469f-a165-70867728950e"), /in key/],
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
