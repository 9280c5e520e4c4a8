/** A container as the engine shows it, for tests. */
import type { ContainerView } from "../../engine/containers.ts";

/** A healthy replica of the service, with what differs. */
export const containerView = (more: Partial<ContainerView> = {}): ContainerView => ({
  id: "1",
  name: "c",
  workload: "backend",
  replica: 1,
  image: "i",
  state: "running",
  health: "healthy",
  startSeconds: 30,
  restarts: 0,
  exitCode: 0,
  oomKilled: false,
  error: "",
  created: "2026",
  ports: [],
  ...more,
});
