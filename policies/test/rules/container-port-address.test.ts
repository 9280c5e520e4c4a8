/** The cases of rule container-port-address. */
import { containerPortAddress } from "../../rules/container-port-address.ts";
import { container, testRule, type Case } from "../support/cases.ts";

testRule(containerPortAddress, {
  passes: {
    "the loopback": container({ ports: [{ internal: 80, external: 8080, ip: "127.0.0.1" }] }),
    "the loopback of IPv6": container({ ports: [{ internal: 80, external: 8080, ip: "::1" }] }),
    "an address with zeros": container({ ports: [{ internal: 80, external: 8080, ip: "10.0.0.0" }] }),
    "one of IPv4 in IPv6": container({ ports: [{ internal: 80, external: 8080, ip: "::ffff:127.0.0.1" }] }),
  },
  fails: {
    ...Object.fromEntries(
      ["::", "[::]", "::0", "0:0:0:0:0:0:0:0", "0000::0000", "::ffff:0.0.0.0", "0", ""].map((ip) => [
        `"${ip}"`,
        [container({ ports: [{ internal: 80, external: 8080, ip }] }), /every address/] as [Case, RegExp],
      ]),
    ),
    "every address": [
      container({ ports: [{ internal: 80, external: 8080, ip: "0.0.0.0" }] }),
      /8080 listens on every/,
    ],
    "the engine's default": [container({ ports: [{ internal: 80, external: 8080 }] }), /every address/],
  },
});
