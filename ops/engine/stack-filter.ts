/** How the engine is asked for what belongs to a stack. */
import { STACK_LABEL } from "../../infra/resources/labels.ts";

/** Filters in the form of the engine's API: everything with the stack's label. */
export const byStack = (
  stack: string,
  more: Readonly<Record<string, readonly string[]>> = {},
): { filters: string } => ({
  filters: JSON.stringify({ ...more, label: [`${STACK_LABEL}=${stack}`] }),
});
