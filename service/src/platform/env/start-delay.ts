/**
 * How long a replica waits for its turn before it loads anything. In a file of its own without imports, because main.ts
 * reads it before everything else; schema.ts knows it too, and refuses what is out of range.
 */
export const START_DELAY_NAME = "OMNIAI_START_DELAY_SECONDS";
/** Above every turn that a deploy gives out, in seconds. */
export const MAX_START_DELAY_SECONDS = 30;

/** In ms; 0 for a value that the configuration is going to refuse. */
export function startDelayMs(environment: Readonly<Record<string, string | undefined>>): number {
  const seconds = Number(environment[START_DELAY_NAME] || 0);
  return seconds >= 0 && seconds <= MAX_START_DELAY_SECONDS ? seconds * 1000 : 0;
}
