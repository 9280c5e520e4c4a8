/** Changes as the audit records them, for tests. */
import type { Change, Result } from "../../stack/audit.ts";

export const change = (action: string, build: string | undefined, result: Result = "succeeded"): Change => ({
  time: "2026-01-01T00:00:00.000Z",
  action,
  who: "me@here",
  to: build,
  result,
  seconds: 1,
  ...(build !== undefined && result === "succeeded" && /up|rollback/.test(action)
    ? { version: { build, imageId: `sha256:${build}`, config: {} } }
    : {}),
});
