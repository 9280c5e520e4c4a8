/** The cases of rule container-pids. */
import { containerPids } from "../../rules/container-pids.ts";
import { command, container, testRule } from "../support/cases.ts";

const limit = (pids: string) =>
  command(
    { create: 'docker update --pids-limit "$PIDS" "$CONTAINER"', environment: { PIDS: pids } },
    { dependencies: { environment: [container().urn] } },
  );

testRule(containerPids, {
  passes: {
    "set by a command": [container(), limit("64")],
  },
  fails: {
    "not set": [[container()], /no command/],
    "no number": [[container(), limit("-1")], /no command/],
  },
});
