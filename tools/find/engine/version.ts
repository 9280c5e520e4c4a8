/** Which engines are new enough. */
import { compareVersions, findVersion } from "../../host/versions.ts";

/** API 1.41 came with engine 20.10. It is the oldest that has everything the stack uses. */
export const oldestEngine = { engine: "20.10", api: "1.41" } as const;

/**
 * True for an engine that serves API 1.41. Where the API's version is known it decides, because other engines with
 * Docker's API (Podman) have version numbers of their own.
 */
export function isNewEnough(engine: { readonly version: string; readonly api: string }): boolean {
  const [said, minimum] =
    engine.api === "" ? [engine.version, oldestEngine.engine] : [engine.api, oldestEngine.api];
  const version = findVersion(said);
  return version !== undefined && compareVersions(version, minimum) >= 0;
}
