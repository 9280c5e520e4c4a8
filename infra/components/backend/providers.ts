/** AI providers: what may be configured, and how the service is told of them without a key in its environment. */
import type { ConfigProblem, Provider } from "../../config/schema.ts";

/** http or https, and nothing that is a secret or would end up behind /models. */
export function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && username + password + search + hash === "";
}

/** Names that are there twice, and keys that would travel in the clear. */
export function providerProblems({
  providers,
}: {
  readonly providers: readonly Provider[];
}): ConfigProblem[] {
  const wrong = (allowed: string): ConfigProblem => ({ key: "providers", value: providers, allowed });
  const names = providers.map(({ name }) => name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  const open = providers.filter(({ baseUrl, apiKey }) => apiKey !== undefined && baseUrl.startsWith("http:"));
  return [
    ...twice.map((name) => wrong(`each name once; ${name} is there again`)),
    ...open.map(({ name }) => wrong(`an apiKey only with an https baseUrl; that of ${name} is http`)),
  ];
}

const keyFile = (name: string): string => `provider-${name}-key`;

/** Pure: the files with the keys, and the list that names them. @param folder where the files lie in the container */
export function planProviders(
  providers: readonly Provider[],
  folder: string,
): { readonly files: Readonly<Record<string, { content: string }>>; readonly list: string } {
  const withKey = providers.filter(({ apiKey }) => apiKey !== undefined);
  return {
    files: Object.fromEntries(withKey.map(({ name, apiKey = "" }) => [keyFile(name), { content: apiKey }])),
    list: JSON.stringify(
      providers.map(({ name, baseUrl, apiKey }) => ({
        name,
        baseUrl,
        ...(apiKey === undefined ? {} : { apiKeyFile: `${folder}/${keyFile(name)}` }),
      })),
    ),
  };
}
