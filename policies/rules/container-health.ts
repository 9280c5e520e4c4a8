/** Rule container-health. Deploys wait for the health check, and the edge, `status` and `health` rely on it. */
import { containerRule } from "../rule.ts";

export const containerHealth = containerRule({
  name: "container-health",
  title: "A container has a health check with all of its times.",
  source: "CIS Docker 5.27",
  remedy: "Set healthcheck.tests, interval, timeout, retries and startPeriod.",

  *check({ props }) {
    const { tests, interval, timeout, retries, startPeriod } = props.healthcheck ?? {};
    if (tests === undefined || tests.length === 0 || tests[0] === "NONE") {
      yield "it has no health check.";
      return;
    }
    const unset = (text: string | undefined): boolean => text === undefined || /^(0[a-z]*)+$/.test(text);
    for (const [key, value] of Object.entries({ interval, timeout, startPeriod })) {
      if (unset(value)) yield `its healthcheck.${key} is not set.`;
    }
    if (!((retries ?? 0) > 0)) yield "its healthcheck.retries is not set.";
  },
});
