/** How many connections to PostgreSQL each replica may open. */

/**
 * What the replicas of one generation may open together: during a deploy there are two, beside a migration, a backup and
 * the operator. The database's own limit is in components/database/database.ts; infra/test/agreements.test.ts compares.
 */
const PER_GENERATION = 45;

/** What the service opens unless it is told otherwise (service/src/platform/env/schema.ts). */
const DEFAULT_POOL = 10;

/** Pure: nothing where the service's default fits, so that a change of the number of replicas changes none that is there. */
export function poolVariables(replicas: number): Record<string, string> {
  const most = Math.floor(PER_GENERATION / replicas);
  return most >= DEFAULT_POOL ? {} : { OMNIAI_POSTGRES_POOL_MAX: String(most) };
}
