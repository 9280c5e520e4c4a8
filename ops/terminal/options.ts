/** The options of the command line that several commands share. */
import { InvalidArgumentError, Option } from "commander";

/** @throws InvalidArgumentError for anything but digits */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError("It must be a whole number.");
  return value;
}

export const noInstall = new Option(
  "--no-install",
  "install nothing; if a part is missing, say what to install and stop",
);
export const json = new Option("--json", "print JSON, and nothing else, on standard output");
export const yes = new Option("--yes", "do not ask");
export const lockWait = new Option(
  "--lock-wait <seconds>",
  "how long to wait for another run on the same stack",
)
  .argParser(wholeNumber)
  .default(600);
export const acceptEmpty = new Option(
  "--accept-empty <workloads>",
  "begin anew where the data is lost, or where others keep it from now on: postgres, redis, or both with a comma",
).argParser((text) => text.split(","));
