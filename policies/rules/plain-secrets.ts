import { stackRule } from "../rule.ts";

/** Shorter values (numbers, flags) stand in many places by chance. */
const SHORTEST = 12;

/** What is not known yet comes as a UUID. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** By value, whatever way it took: a secret that was unwrapped on its way is found here. */
export const plainSecrets = stackRule({
  name: "plain-secrets",
  title: "No value that is a secret anywhere stands in a plain output, label, variable, command or property.",
  source: "OWASP ASVS 13.3",
  remedy: "Keep it a secret (pulumi.secret), or leave it out.",
  *check(resources) {
    const secrets = new Set(
      resources
        .flatMap(({ texts }) => texts)
        .filter(({ secret, value }) => secret && value.length >= SHORTEST && !UUID.test(value))
        .map(({ value }) => value),
    );
    for (const resource of resources) {
      for (const { path, value, secret } of resource.texts) {
        if (secret || value.length < SHORTEST) continue;
        if ([...secrets].some((one) => value.includes(one)))
          yield { what: `a secret stands in plain in ${path}.`, resource };
      }
    }
  },
});
