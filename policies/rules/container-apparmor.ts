/**
 * Rule container-apparmor. What the kernel refuses, no process can do, so no container may leave its AppArmor
 * profile.
 */
import { containerRule, knownFirst } from "../rule.ts";

export const containerApparmor = containerRule({
  name: "container-apparmor",
  title: "A container keeps its AppArmor profile.",
  source: "CIS Docker 5.2",
  remedy: "Remove that entry from `securityOpts`.",

  *check({ props }) {
    for (const option of knownFirst(props.securityOpts)) {
      if (/^apparmor[=:]unconfined$/.test(option))
        yield `AppArmor is off: securityOpts has ${JSON.stringify(option)}.`;
    }
  },
});
