/** Generated passwords. */
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/**
 * A random password, a secret in the state.
 * @param keep protects it: a password that is stored in a data volume has to last as long as the data.
 * @param serial another number is another password; default: it is made once.
 */
export function createPassword(
  name: string,
  parent: pulumi.Resource,
  keep: boolean,
  serial?: number,
): pulumi.Output<string> {
  const password = new random.RandomPassword(
    `omniai-${pulumi.getStack()}-${name}`,
    // Without special characters: it goes into URLs, SQL and config files, and 40 characters are enough.
    { length: 40, special: false, ...(serial === undefined ? {} : { keepers: { serial: String(serial) } }) },
    { parent, protect: keep },
  );
  return pulumi.secret(password.result);
}
