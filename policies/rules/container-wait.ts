/**
 * Rule container-wait. What depends on a container goes on only when the container is healthy. That order is why a
 * deploy drops no request.
 */
import { containerRule } from "../rule.ts";

/** "1m30s" in seconds. */
function seconds(text = "0s"): number {
  const unit = { h: 3600, m: 60, s: 1, ms: 0.001 } as Record<string, number>;
  return [...text.matchAll(/([\d.]+)(ms|h|m|s)/g)].reduce(
    (sum, [, n, u]) => sum + Number(n) * (unit[u ?? ""] ?? 0),
    0,
  );
}

export const containerWait = containerRule({
  name: "container-wait",
  title: "A deploy waits until a container is healthy, for as long as its checks may take.",
  source: "pulumi-docker: wait, waitTimeout",
  remedy: "Set `wait`, and `waitTimeout` above startPeriod + (interval + timeout) x retries.",

  *check({ props }) {
    const { wait, waitTimeout, healthcheck } = props;
    if (wait !== true) yield "wait is not set.";
    const needed =
      seconds(healthcheck?.startPeriod) +
      (seconds(healthcheck?.interval) + seconds(healthcheck?.timeout)) * (healthcheck?.retries ?? 0);
    if ((waitTimeout ?? 0) < needed)
      yield `its waitTimeout is ${waitTimeout ?? "not set"}; its checks may take ${needed} s.`;
  },
});
