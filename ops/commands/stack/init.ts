/** `npm run stack -- init NAME`: asks what has no default and writes the stack's file. It deploys nothing. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { planBackend } from "../../stack/backend.ts";
import { readDefaults, stackFilePath, stackFiles, type Values } from "../../stack/config-files.ts";
import { ROOT } from "../../stack/place.ts";
import {
  checkConfig,
  checkedSettings,
  checkStackName,
  readSettings,
  type KnownConfig,
} from "../../stack/settings.ts";
import { signals } from "../../stack/this-process.ts";
import { prepareTools, toolchainContext } from "../../stack/toolchain.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import { note, print } from "../../terminal/output.ts";
import { ask, askSecret, requireTerminal } from "../../terminal/prompt.ts";
import { undivided } from "../../terminal/signals.ts";
import { objection, QUESTIONS, renderStackFile, type Question } from "./questions.ts";
import { setSecrets, type Secret } from "./secrets.ts";

export type InitOptions = Readonly<Record<string, string | boolean | undefined>> & {
  /** Takes the proposal for every question that no flag answers. */
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
  if (existsSync(file)) {
    throw new OpsError(
      `${basename(file)} is there already and was not changed.`,
      "Edit it, or remove it first. `npm run stack -- list` shows all stacks.",
      exit.usage,
    );
  }
  signals.begin({ title: "asking" });
  const { project, values: defaults } = readDefaults(ROOT);
  const others = stackFiles(ROOT).map((stack) => readSettings(ROOT, stack).config);

  const config: Record<string, unknown> = {};
  for (const question of QUESTIONS) {
    if (question.when?.(config) === false) continue;
    const value = await answerTo(question, options, defaults, others);
    if (value !== undefined) config[question.key] = value;
  }
  const token = await askToken(config, options);
  // Encrypted, as it will be in the file: it is there, and nobody can read it here.
  const stackFile = { config: { ...config, ...(token ? { cloudflareApiToken: { secure: "" } } : {}) } };
  checkConfig(name, checkedSettings(name, { project, stackFile, values: { ...defaults, ...config } }));
  const secrets = [...(token ? [token] : []), ...(await askKeys(config["providers"], options))];

  // With "wx", because another run may have written the file while this one asked.
  writeFileSync(file, renderStackFile(name, config), { flag: "wx" });
  try {
    if (secrets.length > 0) await storeSecrets(name, secrets, options);
  } catch (error) {
    rmSync(file);
    throw error;
  }
  print(`${basename(file)} is written.`);
  print(`Look at it, then: npm run preview -- --stack ${name}, and npm run up -- --stack ${name}`);
}

/** The flag's answer, else the person's, else the proposal. @throws OpsError when a flag's answer is wrong */
async function answerTo(
  { key, flag, ask: text, parse, propose }: Question,
  options: InitOptions,
  defaults: Values,
  others: readonly KnownConfig[],
): Promise<unknown> {
  const proposed = propose?.(others) ?? "";
  const given = options[camel(flag)];
  if (typeof given === "string" || options.yes) {
    const typed = typeof given === "string" ? given : proposed;
    if (typed === "") return undefined;
    const wrong = objection(key, parse(typed), defaults);
    if (wrong !== undefined)
      throw new OpsError(`--${flag} ${typed} cannot be: ${wrong}.`, "Nothing was written.", exit.usage);
    return parse(typed);
  }
  requireTerminal();
  for (;;) {
    const typed = (await ask(`${text}${proposed === "" ? "" : ` [${proposed}]`}: `)) || proposed;
    if (typed === "") return undefined;
    const wrong = objection(key, parse(typed), defaults);
    if (wrong === undefined) return parse(typed);
    note(`  That cannot be; ${wrong}.`);
  }
}

/** The tunnel's token. The config's rules accept none if CLOUDFLARE_API_TOKEN is set. */
async function askToken(config: Values, options: InitOptions): Promise<Secret | undefined> {
  if (config["tunnelEnabled"] !== true || options.yes) return undefined;
  const value = await askSecret("Cloudflare API token (not shown; empty: it is in CLOUDFLARE_API_TOKEN): ");
  return value === "" ? undefined : { path: "omniai:cloudflareApiToken", value };
}

/** One key for each provider, from a file or typed without being shown. Some providers need none. */
async function askKeys(providers: unknown, options: InitOptions): Promise<Secret[]> {
  const names = Array.isArray(providers) ? (providers as { name: string }[]).map(({ name }) => name) : [];
  const [given, file] = (options.providerKey ?? "").split(/=(.*)/s);
  if (given !== "" && (file === undefined || !names.includes(given ?? "")))
    throw new OpsError(
      `--provider-key ${options.providerKey} does not name a provider and a file.`,
      `Write NAME=FILE, where NAME is one of: ${names.join(", ") || "(there is no provider)"}.`,
      exit.usage,
    );
  const secrets: Secret[] = [];
  for (const [index, name] of names.entries()) {
    const value =
      name === given && file !== undefined
        ? readFileSync(file, "utf8").trim()
        : options.yes
          ? ""
          : await askSecret(`Key of ${name} (not shown; empty: none): `);
    if (value !== "") secrets.push({ path: `omniai:providers[${index}].apiKey`, value });
  }
  return secrets;
}

async function storeSecrets(name: string, secrets: readonly Secret[], options: InitOptions): Promise<void> {
  signals.begin({ title: "making the tools ready" });
  const { env, pulumi } = await prepareTools(
    toolchainContext({ install: options.install !== false }),
    // The values are encrypted; no engine is asked for that.
    "elsewhere",
  );
  signals.begin(undivided("keeping the secrets"));
  await setSecrets(
    { root: ROOT, stack: name, backend: planBackend(ROOT, process.env), env, pulumi: pulumi.command },
    secrets,
  );
}
