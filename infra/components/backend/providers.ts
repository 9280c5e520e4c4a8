/** AI providers: what may be configured, and how the service is told of them without a key in its environment. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { ConfigProblem } from "../../config/keys.ts";
import { secret, type Loaded } from "../../config/secrets.ts";

/** http or https, without anything that is a secret or would end up behind /models. */
export function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && username + password + search + hash === "";
}

const provider = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  baseUrl: z.string().refine(isBaseUrl, "an http or https URL without user, password, query and fragment"),
  apiKey: secret(z.string().regex(/^\S+$/)).optional(),
});

/** One provider as the config has it. */
export type Provider = z.infer<typeof provider>;

export const providers = z
  .array(provider)
  .max(20)
  .describe(
    'a list of at most 20 {"name", "baseUrl": "https://…/v1", "apiKey"}, where the key may be absent',
  );

/** Names that are there twice, and keys that would travel in the clear. */
export function providerProblems(config: { readonly providers: readonly Provider[] }): ConfigProblem[] {
  const wrong = (allowed: string): ConfigProblem => ({ key: "providers", value: config.providers, allowed });
  const names = config.providers.map(({ name }) => name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  const open = config.providers.filter(
    ({ baseUrl, apiKey }) => apiKey !== undefined && baseUrl.startsWith("http:"),
  );
  return [
    ...twice.map((name) => wrong(`each name once; ${name} is there again`)),
    ...open.map(({ name }) => wrong(`an apiKey only with an https baseUrl; that of ${name} is http`)),
  ];
}

const keyFile = (name: string): string => `provider-${name}-key`;

/** Pure: the keys by the names of their files, and the list that names them. @param folder where the files lie in the container */
export function planProviders(
  list: readonly Loaded<Provider>[],
  folder: string,
): { readonly keys: Readonly<Record<string, pulumi.Output<string>>>; readonly list: string } {
  return {
    keys: Object.fromEntries(
      list.flatMap(({ name, apiKey }) => (apiKey === undefined ? [] : [[keyFile(name), apiKey] as const])),
    ),
    list: JSON.stringify(
      list.map(({ name, baseUrl, apiKey }) => ({
        name,
        baseUrl,
        ...(apiKey === undefined ? {} : { apiKeyFile: `${folder}/${keyFile(name)}` }),
      })),
    ),
  };
}
