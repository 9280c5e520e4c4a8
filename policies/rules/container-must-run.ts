/**
 * Rule container-must-run. Otherwise a container that ended at once counts as deployed, or removes itself and its
 * logs.
 */
import { containerRule } from "../rule.ts";

export const containerMustRun = containerRule({
  name: "container-must-run",
  title: "A container has to run, and stays to be looked at when it ends.",
  source: "pulumi-docker: mustRun, rm",
  remedy: "Set `mustRun`, and leave `rm` out.",

  *check({ props }) {
    if (props.mustRun === false) yield "mustRun is false.";
    if (props.rm === true) yield "rm is true.";
  },
});
