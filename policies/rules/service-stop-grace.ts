/** Rule service-stop-grace. By default a task is killed 10 s after it was told to stop, with what it was answering. */
import { serviceRule } from "../rule.ts";

export const serviceStopGrace = serviceRule({
  name: "service-stop-grace",
  title: "The tasks of a service get their own time to stop.",
  source: "Docker, service create --stop-grace-period",
  remedy: "Set containerSpec.stopGracePeriod to what the process needs.",

  *check({ props }) {
    const { stopGracePeriod } = props.taskSpec.containerSpec;
    if (stopGracePeriod === undefined || !/[1-9]/.test(stopGracePeriod))
      yield `its stopGracePeriod is ${stopGracePeriod ?? "not set"}.`;
  },
});
