/** Where the Cloudflare API is, and who asks it. */
import type { ProviderArgs } from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";

/**
 * A provider that the program makes does not read the stack's `cloudflare:` config, where people set the token and
 * another address of the API. So both are passed on. @param apiToken the stack's own token, which has precedence
 */
export function planProvider(apiToken: pulumi.Output<string> | undefined): ProviderArgs {
  const config = new pulumi.Config("cloudflare");
  const baseUrl = config.get("baseUrl");
  return {
    apiToken: apiToken ?? config.getSecret("apiToken"),
    ...(baseUrl === undefined ? {} : { baseUrl }),
  };
}
