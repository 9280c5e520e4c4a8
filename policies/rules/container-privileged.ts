/** Rule container-privileged. A privileged container is root on the host. */
import { containerRule } from "../rule.ts";

export const containerPrivileged = containerRule({
  name: "container-privileged",
  title: "No container is privileged.",
  source: "CIS Docker 5.5",
  remedy: "Leave `privileged` out.",

  *check({ props }) {
    if (props.privileged === true) yield "it is privileged.";
  },
});
