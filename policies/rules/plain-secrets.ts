/** Rule plain-secrets. It finds a secret by its value, whatever way it took, and by the name of the property it is in. */
import { isSecretName } from "../../infra/config/secrets.ts";
import { stackRule, type Text } from "../rule.ts";

/** Shorter values (numbers, flags) stand in many places by chance. */
const SHORTEST = 12;

/** What is not known yet comes as one of these (pulumi, sdk/go/common/resource/plugin/rpc.go), in a preview, by type. */
const unknown: ReadonlySet<string> = new Set([
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

/** How a service says which secrets of the swarm its tasks have: by id and name, never by what is in them. */
const reference = /^taskSpec\.containerSpec\.secrets\.\d+\.secret(Id|Name)$/;

/** A text in a property whose name promises a secret, for example connection.privateKey. Lists have no names. */
const isNamedLikeOne = ({ path, value }: Text): boolean =>
  value !== "" &&
  !unknown.has(value) &&
  !reference.test(path) &&
  isSecretName(path.slice(path.lastIndexOf(".") + 1));

export const plainSecrets = stackRule({
  name: "plain-secrets",
  title:
    "No secret is in plain text in an output, a label, a variable, a command or a property: no value that is a secret " +
    "elsewhere, and none whose name promises one.",
  source: "OWASP ASVS 13.3",
  remedy: "Keep it a secret (pulumi.secret), or leave it out.",
  *check(resources) {
    const secrets = new Set(
      resources
        .flatMap(({ texts }) => texts)
        .filter(({ secret, value }) => secret && value.length >= SHORTEST && !unknown.has(value))
        .map(({ value }) => value),
    );
    for (const resource of resources) {
      for (const { path, value, secret } of resource.texts) {
        if (secret) continue;
        const isOne = value.length >= SHORTEST && [...secrets].some((one) => value.includes(one));
        if (isOne) yield { what: `a secret is in plain text in ${path}.`, resource };
        else if (isNamedLikeOne({ path, value, secret })) {
          yield { what: `${path} is named like a secret and is in plain text.`, resource };
        }
      }
    }
  },
});
