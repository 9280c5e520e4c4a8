import type { Part, PartStatus, ToolchainContext } from "../../host/part.ts";

/** A part that comes from Pulumi. What would be done is said for all of them before anything is done. */
export interface PulumiPart extends Part {
  /** Undefined when nothing has to be done. Changes nothing. */
  plan(
    context: ToolchainContext,
    status: PartStatus,
    official: boolean,
  ): Promise<Plan | undefined> | Plan | undefined;
}

/** What ensuring a part will do. */
export interface Plan {
  /** For example "build pulumi 3.259.0 with Go". */
  readonly what: string;
  /** How long that takes on two cores with an empty cache, roughly, in minutes. */
  readonly minutes: number;
}
