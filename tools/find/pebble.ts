/**
 * Pebble, an ACME authority for tests, and the DNS server that it is tested with. `ensureToolchain` provides neither.
 */
import { goTool } from "./go-tool.ts";

const MODULE = "github.com/letsencrypt/pebble/v2";

export const pebblePart = goTool("pebble", MODULE, "main.version");
export const challengeServerPart = goTool("pebble-challtestsrv", MODULE, "main.version", "pebble");
