/** `npm run stack -- init NAME`: asks what has no default and writes the stack's file. Nothing is deployed. */
import fs from "node:fs";
import path from "node:path";
import { ask, askSecret, mustBeAskable } from "../../terminal/prompt.ts";
import { EXIT, OpsError } from "../../terminal/errors.ts";
import { note, print } from "../../terminal/output.ts";
import { signals, ROOT } from "../../stack/session.ts";
import {
  checkConfig,
  checkStackName,
  mergeValues,
  readSettings,
  readYaml,
  stackFilePath,
  stackFiles,
  type Values,
} from "../../stack/settings.ts";
import { planBackend } from "../../stack/open-stack.ts";
import { prepareTools, toolchainContext } from "../../stack/toolchain.ts";
import { objection, QUESTIONS, renderStackFile, type Question } from "./questions.ts";
import { setSecrets, type Secret } from "./secrets.ts";

export type InitOptions = Readonly<Record<string, string | boolean | undefined>> & {
  /** Takes what is proposed for everything that no flag answers. */
  readonly yes?: boolean;
  /** False with --no-install. */
  readonly install?: boolean;
  /** NAME=FILE: the file with the key of a provider, instead of the question. */
  readonly providerKey?: string;
};

/** A flag's name as commander hands it over: docker-host is dockerHost. */
const camel = (flag: string): string => flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

export async function init(name: string, options: InitOptions): Promise<void> {
  checkStackName(name);
  const file = stackFilePath(ROOT, name);
  if (fs.existsSync(file)) {
    throw new OpsError(
      `${path.basename(file)} is there already; it was left as it is.`,
      `Edit it, or remove it first. \`npm run stack -- list\` shows all stacks.`,
      EXIT.usage,
    );
  }
  signals.begin({ title: "asking" });
  const projectFile = readYaml(path.join(ROOT, "Pulumi.yaml"));
  const { project } = readSettings(ROOT, name);
  const defaults = mergeValues(projectFile, undefined, project);
  const others = stackFiles(ROOT).map((stack) => readSettings(ROOT, stack).values);

  const config: Record<string, unknown> = {};
  for (const question of QUESTIONS) {
    if (question.when?.(config) === false) continue;
    const value = await answerTo(question, options, defaults, others);
    if (value !== undefined) config[question.key] = value;
  }
  const token = await askToken(config, options);
  // As the file will have it: there, and not to be read.
  const stackFile = { config: { ...config, ...(token ? { cloudflareApiToken: { secure: "" } } : {}) } };
  checkConfig(name, { project, stackFile, values: { ...defaults, ...config } });
  const secrets = [...(token ? [token] : []), ...(await askKeys(config["providers"], options))];

  // "wx": another run may have written it while this one asked.
  fs.writeFileSync(file, renderStackFile(name, config), { flag: "wx" });
  try {
    if (secrets.length > 0) await keepSecrets(name, secrets, options);
  } catch (error) {
    fs.rmSync(file);
    throw error;
  }
  print(`${path.basename(file)} is written.`);
  print(`Look at it, then: npm run preview -- --stack ${name}, and npm run up -- --stack ${name}`);
}

/** The flag's answer, else the person's, else what is proposed. @throws OpsError when a flag's cannot stand */
async function answerTo(
  { key, flag, ask: text, parse, propose }: Question,
  options: InitOptions,
  defaults: Values,
  others: readonly Values[],
): Promise<unknown> {
  const proposed = propose?.(others) ?? "";
  const given = options[camel(flag)];
  if (typeof given === "string" || options.yes) {
    const typed = typeof given === "string" ? given : proposed;
    if (typed === "") return undefined;
    const wrong = objection(key, parse(typed), defaults);
    if (wrong !== undefined)
      throw new OpsError(`--${flag} ${typed} cannot be: ${wrong}.`, "Nothing was written.", EXIT.usage);
    return parse(typed);
  }
  mustBeAskable();
  for (;;) {
    const typed = (await ask(`${text}${proposed === "" ? "" : ` [${proposed}]`}: `)) || proposed;
    if (typed === "") return undefined;
    const wrong = objection(key, parse(typed), defaults);
    if (wrong === undefined) return parse(typed);
    note(`  That cannot be; ${wrong}.`);
  }
}

/** The tunnel's token; none is fine where CLOUDFLARE_API_TOKEN is set, which the config's rules look at. */
async function askToken(config: Values, options: InitOptions): Promise<Secret | undefined> {
  if (config["tunnelEnabled"] !== true || options.yes) return undefined;
  const value = await askSecret("Cloudflare API token (not shown; empty: CLOUDFLARE_API_TOKEN has it): ");
  return value === "" ? undefined : { path: "omniai:cloudflareApiToken", value };
}

/** One key per provider, by a file or typed without being shown. No key is fine: some want none. */
async function askKeys(providers: unknown, options: InitOptions): Promise<Secret[]> {
  const names = Array.isArray(providers) ? (providers as { name: string }[]).map(({ name }) => name) : [];
  const [given, file] = (options.providerKey ?? "").split(/=(.*)/s);
  if (given !== "" && (file === undefined || !names.includes(given ?? "")))
    throw new OpsError(
      `--provider-key ${options.providerKey} names no provider with a file.`,
      `Write NAME=FILE, where NAME is one of: ${names.join(", ") || "(none is given)"}.`,
      EXIT.usage,
    );
  const secrets: Secret[] = [];
  for (const [index, name] of names.entries()) {
    const value =
      name === given && file !== undefined
        ? fs.readFileSync(file, "utf8").trim()
        : options.yes
          ? ""
          : await askSecret(`Key of ${name} (not shown; empty: none): `);
    if (value !== "") secrets.push({ path: `omniai:providers[${index}].apiKey`, value });
  }
  return secrets;
}

async function keepSecrets(name: string, secrets: readonly Secret[], options: InitOptions): Promise<void> {
  signals.begin({ title: "making the tools ready" });
  const { env, pulumi } = await prepareTools(toolchainContext(options.install !== false));
  setSecrets(
    { root: ROOT, stack: name, backend: planBackend(ROOT, process.env), env, pulumi: pulumi.command },
    secrets,
  );
}
