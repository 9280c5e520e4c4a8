/**
 * Rule container-namespaces. In a namespace of the host, a container could see or signal its processes, or read
 * their memory.
 */
import { containerRule } from "../rule.ts";

export const containerNamespaces = containerRule({
  name: "container-namespaces",
  title: "No container shares the process, IPC or user namespace of its host.",
  source: "CIS Docker 5.16, 5.17, 5.31",
  remedy: "Leave pidMode, ipcMode and usernsMode out.",

  *check({ props }) {
    for (const key of ["pidMode", "ipcMode", "usernsMode"] as const) {
      if (props[key] === "host") yield `its ${key} is host.`;
    }
  },
});
