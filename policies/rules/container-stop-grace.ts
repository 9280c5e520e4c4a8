/**
 * Rule container-stop-grace. A replacement waits for destroyGraceSeconds, not for stopTimeout; without it the old
 * process is killed at once. PostgreSQL needs a minute for its last checkpoint.
 */
import { containerRule } from "../rule.ts";

export const containerStopGrace = containerRule({
  name: "container-stop-grace",
  title: "A container gets time to stop, also when it is replaced; PostgreSQL at least 60 s.",
  source: "pulumi-docker: stop with 0 s on delete; docker-library/postgres#937",
  remedy: "Set stopTimeout and destroyGraceSeconds to the same number of seconds.",

  *check({ name, props }) {
    const { stopTimeout, destroyGraceSeconds } = props;
    const least = /-postgres(-\d+)?$/.test(name) ? 60 : 1;
    for (const [key, value] of Object.entries({ stopTimeout, destroyGraceSeconds })) {
      if (value === undefined || value < least)
        yield `its ${key} is ${value ?? "not set"}; at least ${least} is needed.`;
    }
    if ((destroyGraceSeconds ?? 0) < (stopTimeout ?? 0))
      yield "its destroyGraceSeconds is shorter than its stopTimeout.";
  },
});
