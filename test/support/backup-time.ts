/** When the backup of a day is due in a test's stack or room. */

/** An hour, which the first backups of a test never last. */
const AGO_MS = 3_600_000;

/**
 * An hour ago, so that the first backup is due at once and the next one in 23 hours. By the default a test that runs at two at
 * night would meet a backup that nobody asked for.
 * @param zone the stack's time zone; default: UTC. @returns HH:MM
 */
export const longBeforeTheNext = (zone = "UTC", now = Date.now()): string =>
  new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZone: zone,
  }).format(now - AGO_MS);
