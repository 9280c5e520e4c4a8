import { containerRule, knownFirst } from "../rule.ts";

/** What the kernel refuses, no process can do. */
export const containerApparmor = containerRule({
  name: "container-apparmor",
  title: "A container keeps its AppArmor profile.",
  source: "CIS Docker 5.2",
  remedy: "Take the entry out of `securityOpts`.",

  *check({ props }) {
    for (const option of knownFirst(props.securityOpts)) {
      if (/^apparmor[=:]unconfined$/.test(option))
        yield `AppArmor is off: securityOpts has ${JSON.stringify(option)}.`;
    }
  },
});
