/** A table that somebody holds, so that a statement of a request has to wait. */

/** The longest that it is held where nobody comes, in seconds. */
const LONGEST = 30;

/**
 * Pure: SQL that holds a table until a statement has waited for it for so long, and ends by itself then: whoever asks from
 * outside when to let go of it is too late on a busy machine.
 * @param ms how long the statement waits at least.
 */
export const holdTable = (table: string, ms: number): string => `DO $$
DECLARE latest timestamptz := clock_timestamp() + interval '${LONGEST} s';
BEGIN
  LOCK TABLE ${table};
  WHILE clock_timestamp() < latest
    AND NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = '${table}'::regclass) LOOP
    PERFORM pg_sleep(0.02);
  END LOOP;
  PERFORM pg_sleep(${ms / 1000});
END $$`;

/** Pure: SQL that says t when the table is held. */
export const isHeld = (table: string): string =>
  `SELECT EXISTS (SELECT FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND relation = '${table}'::regclass)`;
