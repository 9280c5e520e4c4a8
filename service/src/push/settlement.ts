/**
 * Writes down what became of messages to devices. A device may be renewed while a message is on its way to the endpoint of before:
 * what that one answers says nothing about the device's new one.
 */
import type pg from "pg";

/** A device as a message was sent to it. */
export interface Reached {
  readonly id: string;
  readonly endpoint: string;
}

/** What became of a claim. */
export type Settled = Reached &
  (
    | { readonly state: "sent" }
    | { readonly state: "gone" }
    /** @member isUntried it did not come to its turn, which counts as no try. */
    | {
        readonly state: "due";
        readonly why: string;
        readonly afterMs: number;
        readonly isUntried?: boolean;
      }
    | { readonly state: "given_up"; readonly why: string }
  );

/** A device is removed after so many messages in a row that were given up for it, over at least so many days. */
const MOST_FAILURES = 5;
const FAILING_DAYS = 2;

/** Of rows s of push_subscriptions: those of r (id, endpoint), given as $1 and $2, that still have that endpoint. */
const REACHED = "unnest($1::uuid[], $2::text[]) AS r (id, endpoint)";
const IS_REACHED = "s.id = r.id AND s.endpoint = r.endpoint";

const columns = (reached: readonly Reached[]): [string[], string[]] => [
  reached.map(({ id }) => id),
  reached.map(({ endpoint }) => endpoint),
];
const only = (settled: readonly Settled[], state: Settled["state"]): Settled[] =>
  settled.filter((each) => each.state === state);

/** What became of the claims of a message. Of a device that is gone nothing stays. */
export async function settle(
  client: pg.PoolClient,
  message: Buffer,
  settled: readonly Settled[],
): Promise<void> {
  await removeGone(client, settled);
  await client.query(
    "UPDATE push_deliveries SET state = 'sent' WHERE message = $1 AND subscription_id = ANY($2)",
    [message, only(settled, "sent").map(({ id }) => id)],
  );
  // Its new endpoint has not been tried.
  const unsent = settled.filter(({ state }) => state !== "sent");
  await client.query(
    `UPDATE push_deliveries d SET state = 'due', at = now() FROM push_subscriptions s, ${REACHED}
     WHERE d.message = $3 AND d.subscription_id = s.id AND d.state = 'sending'
       AND s.id = r.id AND s.endpoint <> r.endpoint`,
    [...columns(unsent), message],
  );
  const failed = settled.filter((each) => each.state === "due" || each.state === "given_up");
  await client.query(
    `UPDATE push_deliveries d SET state = f.state, at = now() + make_interval(secs => f.seconds),
       attempts = d.attempts - f.untried
     FROM unnest($2::uuid[], $3::text[], $4::float8[], $5::int[]) AS f (id, state, seconds, untried)
     WHERE d.message = $1 AND d.subscription_id = f.id AND d.state = 'sending'`,
    [
      message,
      failed.map(({ id }) => id),
      failed.map(({ state }) => state),
      failed.map((each) => (each.state === "due" ? each.afterMs / 1000 : 0)),
      failed.map((each) => Number(each.state === "due" && each.isUntried === true)),
    ],
  );
  await note(client, settled);
  const givenUp = columns(only(settled, "given_up"));
  await client.query(
    `UPDATE push_subscriptions s SET failures = failures + 1, failing_since = coalesce(failing_since, now())
     FROM ${REACHED} WHERE ${IS_REACHED}`,
    givenUp,
  );
  await client.query(
    `DELETE FROM push_subscriptions s USING ${REACHED} WHERE ${IS_REACHED} AND failures >= ${MOST_FAILURES}
       AND failing_since < now() - interval '${FAILING_DAYS} days'`,
    givenUp,
  );
}

/** What a message showed that is not one of those that are counted. */
export async function settleTest(client: pg.PoolClient, settled: readonly Settled[]): Promise<void> {
  await removeGone(client, settled);
  await note(client, settled);
}

async function removeGone(client: pg.PoolClient, settled: readonly Settled[]): Promise<void> {
  await client.query(
    `DELETE FROM push_subscriptions s USING ${REACHED} WHERE ${IS_REACHED}`,
    columns(only(settled, "gone")),
  );
}

/** What its owner sees of the last message to each device. */
async function note(client: pg.PoolClient, settled: readonly Settled[]): Promise<void> {
  const known = settled.filter(({ state }) => state !== "gone");
  await client.query(
    `UPDATE push_subscriptions s SET problem = r.problem,
       last_sent_at = CASE WHEN r.problem IS NULL THEN now() ELSE s.last_sent_at END,
       failures = CASE WHEN r.problem IS NULL THEN 0 ELSE s.failures END,
       failing_since = CASE WHEN r.problem IS NULL THEN NULL ELSE s.failing_since END
     FROM unnest($1::uuid[], $2::text[], $3::text[]) AS r (id, endpoint, problem) WHERE ${IS_REACHED}`,
    [...columns(known), known.map((each) => ("why" in each ? each.why.slice(0, 200) : null))],
  );
}
