/** Rule service-health. A swarm sends nothing to a task before its check is good, and a rolling update waits for that. */
import { serviceRule } from "../rule.ts";

export const serviceHealth = serviceRule({
  name: "service-health",
  title: "A service has a health check with all of its times.",
  source: "CIS Docker 5.27",
  remedy: "Set healthcheck.tests, interval, timeout, retries and startPeriod in containerSpec.",

  *check({ props }) {
    const { tests, interval, timeout, retries, startPeriod } = props.taskSpec.containerSpec.healthcheck ?? {};
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
