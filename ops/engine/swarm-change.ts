/** Changes of what a swarm keeps: its services and its nodes. */
import { OpsError } from "../terminal/errors.ts";

/** Each is made of what was read a moment before, so one that is refused more often has somebody against it. */
const ATTEMPTS = 5;

/**
 * A swarm keeps a version of each thing, and refuses a change that was made of an older one. It makes new ones itself: of a service
 * as its rolling update goes on, of a node that has just joined. So what is refused for that is made anew, of what is there then.
 * @param what is changed, for people. @param attempt reads it and asks for the change. @throws OpsError
 */
export async function inSequence<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  for (let count = 0; count < ATTEMPTS; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (!/update out of sequence/.test((error as Error).message)) throw error;
    }
  }
  throw new OpsError(
    `The swarm did not take a change of ${what}, because somebody else has changed it each time (${ATTEMPTS} times).`,
    "See who does, and run the command again.",
  );
}
