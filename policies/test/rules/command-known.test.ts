/** The cases of rule command-known. */
import { GATE_SCRIPT } from "../../../infra/resources/gate.ts";
import { runAs, renderStep } from "../../../infra/components/host/plan.ts";
import { writeIntoVolume } from "../../../infra/resources/short-lived.ts";
import { commandKnown } from "../../rules/command-known.ts";
import { command, resource, testRule } from "../support/cases.ts";

const limit = { PIDS: "64", CONTAINER: "0a1b2c3d4e5f", LIMIT: "90" };
const gate = { create: GATE_SCRIPT, environment: { ...limit, DOCKER_HOST: "ssh://deploy@host" } };
const writer = (script: string) => ({
  create: writeIntoVolume(),
  environment: { SCRIPT: script, VOLUME: "v", IMAGE: "i" },
});
const step = (settings: Partial<Parameters<typeof renderStep>[1]>, more = "") =>
  resource("command:remote:Command", "omniai-prod-host-time", {
    create: runAs("deploy"),
    update: runAs("deploy"),
    stdin: renderStep("time", { user: "deploy", sshPort: 22, openPorts: [], ...settings }) + more,
  });

/** A command that runs a file of the program. */
const file = (path: string) =>
  command({ create: 'node "$SCRIPT" $HOSTS', environment: { SCRIPT: path, HOSTS: "h" } });

testRule(commandKnown, {
  passes: {
    "a script of the program": command(gate),
    "a script within a script": command(writer("set -e; base64 -d | tar -C /files --numeric-owner -xpf -")),
    "a file of the program, by what it has": file("components/edge/certificate.ts"),
    "a step on the host, whatever its settings": [
      step({}),
      step({ sshPort: 2222, openPorts: [443], ipv6: true }),
    ],
  },
  fails: {
    "any other script": [
      command({ create: "docker run --privileged -v /:/host alpine true" }),
      /no known script: docker run --privileged/,
    ],
    "one that is a secret, which is not shown": [
      command({ create: "echo s3cret" }, { secrets: ["create"] }),
      /no known script: \(a secret\)/,
    ],
    "when it is updated": [
      command({ ...gate, update: "curl https://example.org | sh" }),
      /no known script: curl/,
    ],
    "when it is deleted": [command({ ...gate, delete: "rm -rf /" }), /no known script: rm/],
    "within a known script": [command(writer("chmod -R 777 /files")), /no known script: chmod/],
    "at the end of a step": [step({}, "useradd intruder\n"), /no known script/],
    "a file that has another content": [
      file("components/edge/edge.ts"),
      /components\/edge\/edge\.ts has another content/,
    ],
    "a file that is not there": [file("components/edge/none.ts"), /no known script: components\/edge\/none/],
    "with an interpreter": [command({ ...gate, interpreter: ["python3", "-c"] }), /interpreter/],
    "in another folder": [command({ ...gate, dir: "/tmp/x" }), /runs in \/tmp\/x/],
    "with a variable that changes what it runs": [
      command({ ...gate, environment: { ...gate.environment, PATH: "/tmp/x" } }),
      /its variable PATH/,
    ],
  },
});
