/** CPU limits as the docker provider spells them. */

/**
 * A number of cores as the docker provider reads it back from the engine: "1.0", "0.5", "2.25". Any other spelling would
 * replace the container on every `up`. Undefined where the provider itself reads back something else than it was given,
 * because then no spelling is without a change.
 *
 * The provider writes nine decimals. If nine of all the digits are zeros it takes the number for a round one and keeps a
 * single decimal; otherwise it cuts the zeros at the end, and leaves the point. So 0.05 comes back as "0.1", 10 as "10.".
 */
export function spellCpus(cores: string): string | undefined {
  const written = Number(cores).toFixed(9);
  const zeros = written.split("0").length - 1;
  const readBack = zeros === 9 ? Number(cores).toFixed(1) : written.replace(/0+$/, "");
  const isKept = Number(readBack) === Number(cores) && !readBack.endsWith(".");
  return isKept && Number(cores) > 0 ? readBack : undefined;
}

/** The weight of a container in the background where cores are scarce; the engine gives every other one 1024. */
export const BACKGROUND_SHARES = 16;
