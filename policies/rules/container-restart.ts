/** Rule container-restart. A process that crashed has to come back by itself, also after a reboot of the host. */
import { containerRule } from "../rule.ts";

export const containerRestart = containerRule({
  name: "container-restart",
  title: "A container starts again by itself.",
  source: "CIS Docker 5.15",
  remedy: "Set `restart` to unless-stopped.",

  *check({ props }) {
    const { restart, maxRetryCount } = props;
    const counted = restart === "on-failure" && (maxRetryCount ?? 0) >= 1 && (maxRetryCount ?? 0) <= 5;
    if (restart !== "always" && restart !== "unless-stopped" && !counted)
      yield `its restart policy is ${restart ?? "no"}.`;
  },
});
