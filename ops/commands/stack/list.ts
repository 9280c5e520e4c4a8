/** `npm run stack -- list`: the stacks of this project, from this checkout alone. */
import { planBackend } from "../../stack/backend.ts";
import { readDefaults } from "../../stack/config-files.ts";
import { knownStacks, savedStacks } from "../../stack/known-stacks.ts";
import { ROOT } from "../../stack/place.ts";
import { readSettings } from "../../stack/settings.ts";
import { paint, print, printJson, table } from "../../terminal/output.ts";

export function list({ json }: { readonly json?: boolean }): void {
  const backend = planBackend(ROOT, process.env);
  const { project } = readDefaults(ROOT);
  const saved = savedStacks(backend, project);
  const stacks = knownStacks(ROOT, backend, project).map((name) => {
    const { config, stackFile } = readSettings(ROOT, name);
    return {
      name,
      file: stackFile === undefined ? undefined : `Pulumi.${name}.yaml`,
      // A remote backend would have to be asked; `npm run status` does that.
      state: backend.folder === undefined ? "remote" : saved.includes(name) ? "here" : "none",
      dockerHost: config.dockerHost === undefined ? "unknown" : config.dockerHost || "this machine",
      ports: [config.httpPort, config.httpsPort],
    };
  });
  if (json) return printJson(stacks);
  for (const line of table([
    ["stack", "file", "state", "engine", "ports"].map((title) => paint("bold", title)),
    ...stacks.map(({ name, file, state, dockerHost, ports }) => [
      name,
      file ?? "(no file)",
      state,
      dockerHost,
      ports.join(", "),
    ]),
  ]))
    print(line);
}
