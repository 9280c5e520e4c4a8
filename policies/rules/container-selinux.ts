/**
 * Rule container-selinux. What the kernel refuses, no process can do, so no container may leave its SELinux label.
 */
import { containerRule, knownFirst } from "../rule.ts";

export const containerSelinux = containerRule({
  name: "container-selinux",
  title: "A container keeps its SELinux label.",
  source: "CIS Docker 5.3",
  remedy: "Remove that entry from `securityOpts`.",

  *check({ props }) {
    for (const option of knownFirst(props.securityOpts)) {
      if (/^label[=:]disable$/.test(option))
        yield `SELinux is off: securityOpts has ${JSON.stringify(option)}.`;
    }
  },
});
