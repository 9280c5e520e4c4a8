/** `npm run stack -- list`: the stacks of this project, without asking anything but this checkout. */
import { paint, print, printJson, table } from "../../terminal/output.ts";
import { ROOT } from "../../stack/session.ts";
import { portOf, readSettings, textOf } from "../../stack/settings.ts";
import { knownStacks, planBackend, savedStacks } from "../../stack/open-stack.ts";

export function list({ json }: { readonly json?: boolean }): void {
  const backend = planBackend(ROOT, process.env);
  const { project } = readSettings(ROOT, "dev");
  const saved = savedStacks(backend, project);
  const stacks = knownStacks(ROOT, backend, project).map((name) => {
    const { values, stackFile } = readSettings(ROOT, name);
    return {
      name,
      file: stackFile === undefined ? undefined : `Pulumi.${name}.yaml`,
      // A remote backend would have to be asked; `npm run status` does.
      state: backend.folder === undefined ? "remote" : saved.includes(name) ? "here" : "none",
      dockerHost: textOf(values, "dockerHost") ?? "this machine",
      ports: [portOf(values, "httpPort"), portOf(values, "httpsPort")],
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
