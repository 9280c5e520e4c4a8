/** Exceptions: a rule that need not hold for a resource until a day, for a reason. All are shown in every run. */
import type { PolicyException } from "../infra/config/policy-settings.ts";

/** Pure: true from the day after the last one on, in UTC. */
export const isExpired = ({ until }: PolicyException, now: Date): boolean =>
  now.toISOString().slice(0, 10) > until;

/** Pure: the exception for a resource, an expired one only where there is none that holds. */
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
  return used > 0 ? what : `${what} (It was not needed: take it out of omniai:policyExceptions.)`;
}
