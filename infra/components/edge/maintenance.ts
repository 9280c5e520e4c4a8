/**
 * Maintenance: while this file is in the edge's volume, the edge answers the API with it. nginx looks for it at every
 * request, so it needs neither a reload nor a deploy, and it survives both and a restart.
 */
import { EDGE_FOLDER } from "./switch.ts";

/** The problem (RFC 9457) that is answered, as JSON. */
export const MAINTENANCE_FILE = `${EDGE_FOLDER}/maintenance.json`;

/** When a client is told to come back, in seconds. */
export const MAINTENANCE_RETRY_SECONDS = 30;
