import { containerDevices } from "../../rules/container-devices.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerDevices, {
  passes: {
    none: container(),
  },
  fails: {
    "a device": [container({ devices: [{ hostPath: "/dev/sda" }] }), /\/dev\/sda/],
    GPUs: [container({ gpus: "all" }), /GPUs/],
  },
});
