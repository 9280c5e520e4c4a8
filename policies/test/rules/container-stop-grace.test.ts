/** The cases of rule container-stop-grace. */
import { containerStopGrace } from "../../rules/container-stop-grace.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerStopGrace, {
  passes: {
    "the same for both": container(),
    "a minute for PostgreSQL": container(
      { stopTimeout: 60, destroyGraceSeconds: 60 },
      { name: "omniai-prod-postgres" },
    ),
  },
  fails: {
    "none when replaced": [
      container({ stopTimeout: undefined, destroyGraceSeconds: 30 }),
      /stopTimeout is not set/,
    ],
    "shorter when replaced": [container({ stopTimeout: 30, destroyGraceSeconds: 10 }), /shorter/],
    "too short for PostgreSQL": [
      container({ stopTimeout: 30, destroyGraceSeconds: 60 }, { name: "omniai-prod-postgres" }),
      /at least 60/,
    ],
  },
});
