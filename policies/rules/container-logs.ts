/**
 * Rule container-logs. By default the engine keeps every line until the disk is full. With a single file `docker
 * logs -f` hangs (moby#37646).
 */
import { containerRule } from "../rule.ts";

export const containerLogs = containerRule({
  name: "container-logs",
  title: "The logs of a container are rotated.",
  source: "moby#40207, moby#37646",
  remedy: "Set logDriver to json-file or local, with max-size and a max-file of at least 2.",

  *check({ props }) {
    const { logDriver, logOpts } = props;
    if (logDriver !== "json-file" && logDriver !== "local")
      yield `its logDriver is ${logDriver ?? "not set"}.`;
    if (logOpts?.["max-size"] === undefined) yield "its logOpts has no max-size.";
    if (!(Number(logOpts?.["max-file"] ?? 0) >= 2))
      yield `its logOpts has a max-file of ${logOpts?.["max-file"] ?? "nothing"}.`;
  },
});
