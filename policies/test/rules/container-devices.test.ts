/** The cases of rule container-devices. */
import { containerDevices } from "../../rules/container-devices.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerDevices, {
  passes: {
    none: container(),
  },
  fails: {
    "a device": [container({ devices: [{ hostPath: "/dev/sda" }] }), /\/dev\/sda/],
    "a device by its CDI name": [
      container({ deviceRequests: [{ driver: "cdi", deviceIds: ["nvidia.com/gpu=all"] }] }),
      /nvidia\.com\/gpu=all/,
    ],
    "any device of a driver": [
      container({ deviceRequests: [{ driver: "nvidia", count: -1 }] }),
      /some of nvidia/,
    ],
    GPUs: [container({ gpus: "all" }), /GPUs/],
  },
});
