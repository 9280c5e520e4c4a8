/** Exceptions: a rule need not hold for a resource, for a reason and up to a day. Every run shows all of them. */
import type { PolicyException } from "../infra/config/policy-settings.ts";

/** Pure: true from the day after its last day on, in UTC. */
export const isExpired = ({ until }: PolicyException, now: Date): boolean =>
  now.toISOString().slice(0, 10) > until;

/** Pure: the exception for a resource. An expired one is returned only where no other holds. */
export function exceptionFor(
  exceptions: readonly PolicyException[],
  rule: string,
  resource: string,
  now: Date,
): PolicyException | undefined {
  const matching = exceptions.filter(
    (exception) => exception.rule === rule && matches(exception.resource, resource),
  );
  return matching.find((exception) => !isExpired(exception, now)) ?? matching[0];
}

const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;

/** Pure: one line about an exception, and about how often it was needed in this run. */
export function describeException(exception: PolicyException, used: number, now: Date): string {
  const { rule, resource, reason, until } = exception;
  const what = `Exception from ${rule} for ${resource}, ${isExpired(exception, now) ? `which ended with ${until}` : `until ${until}`}: ${reason}`;
  return used > 0 ? what : `${what} (It was not needed: remove it from omniai:policyExceptions.)`;
}
