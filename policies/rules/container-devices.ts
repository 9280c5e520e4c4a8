/** Rule container-devices. A device is a way around every other limit. */
import { containerRule, knownFirst } from "../rule.ts";

export const containerDevices = containerRule({
  name: "container-devices",
  title: "No container has a device of its host.",
  source: "CIS Docker 5.18",
  remedy: "Leave devices, deviceRequests and gpus out.",

  *check({ props }) {
    for (const { hostPath } of knownFirst(props.devices)) yield `it has the device ${hostPath}.`;
    for (const { driver, deviceIds } of knownFirst(props.deviceRequests)) {
      const what = (deviceIds ?? []).join(", ") || `some of ${driver ?? "the default driver"}`;
      yield `it asks for devices: ${what}.`;
    }
    if (props.gpus !== undefined && props.gpus !== "") yield `it has the GPUs ${props.gpus}.`;
  },
});
