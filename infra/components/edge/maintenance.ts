/**
 * Maintenance: while this file is there, the edge answers the API with it. nginx looks for it at every request, so it needs
 * neither a reload nor a deploy. On one engine it is in the edge's volume, and survives both and a restart. On a swarm it is in
 * memory of each node that the edge shares with the task that switches it, and is gone when neither runs there any more.
 */
import { basename } from "node:path/posix";
import { EDGE_FOLDER } from "./switch.ts";

/** The problem (RFC 9457) that is answered, as JSON. */
export const MAINTENANCE_FILE = `${EDGE_FOLDER}/maintenance.json`;

/** Where a swarm has it: the edge only reads it. */
export const SHARED_MAINTENANCE_FOLDER = "/etc/omniai/maintenance";
export const SHARED_MAINTENANCE_FILE = `${SHARED_MAINTENANCE_FOLDER}/${basename(MAINTENANCE_FILE)}`;

/** By its type everybody tells the problem from others. */
export const MAINTENANCE_TYPE = "urn:omniai:problem:maintenance";

/** When a client is told to come back, in seconds. */
export const MAINTENANCE_RETRY_SECONDS = 30;
