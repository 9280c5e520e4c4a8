/** What the parts from Pulumi have in common. */
import type { Part, PartStatus, ToolchainContext } from "../../host/part.ts";

/** A part that comes from Pulumi. Before anything is done, the plans of all parts are shown. */
export interface PulumiPart extends Part {
  /** What `ensure` will do. Undefined when nothing has to be done. Changes nothing. */
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
