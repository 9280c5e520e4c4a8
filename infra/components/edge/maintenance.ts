/**
 * Maintenance: while this file lies in the edge's volume, the API is answered with it. nginx looks for it at every
 * request, so neither a reload nor a deploy is needed, and it outlives both and a restart.
 */
import { EDGE_FOLDER } from "./switch.ts";

/** The problem (RFC 9457) that is answered, as JSON. */
export const MAINTENANCE_FILE = `${EDGE_FOLDER}/maintenance.json`;

/** When a client is told to come back, in seconds. */
export const MAINTENANCE_RETRY_SECONDS = 30;
