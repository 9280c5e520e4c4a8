/**
 * Rule container-seccomp. What the kernel refuses, no process can do, so no container may leave its seccomp profile.
 */
import { containerRule, knownFirst } from "../rule.ts";

export const containerSeccomp = containerRule({
  name: "container-seccomp",
  title: "A container keeps a seccomp profile.",
  source: "CIS Docker 5.22",
  remedy: "Remove that entry from `securityOpts`.",

  *check({ props }) {
    for (const option of knownFirst(props.securityOpts)) {
      if (/^seccomp[=:]unconfined$/.test(option))
        yield `seccomp is off: securityOpts has ${JSON.stringify(option)}.`;
    }
  },
});
