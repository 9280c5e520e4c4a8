import { containerPortAddress } from "../../rules/container-port-address.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerPortAddress, {
  passes: {
    "the loopback": container({ ports: [{ internal: 80, external: 8080, ip: "127.0.0.1" }] }),
  },
  fails: {
    "every address": [
      container({ ports: [{ internal: 80, external: 8080, ip: "0.0.0.0" }] }),
      /8080 listens on every/,
    ],
    "the engine's default": [container({ ports: [{ internal: 80, external: 8080 }] }), /every address/],
  },
});
