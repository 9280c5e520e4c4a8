/** Where the Cloudflare API is, and who asks it. */
import type { ProviderArgs } from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";

/**
 * A provider of one's own knows nothing of the stack's `cloudflare:` config, where people look for the token and for
 * another address of the API. So both are handed on. @param apiToken the stack's own, which goes before that one
 */
export function planProvider(apiToken: pulumi.Output<string> | undefined): ProviderArgs {
  const config = new pulumi.Config("cloudflare");
  const baseUrl = config.get("baseUrl");
  return {
    apiToken: apiToken ?? config.getSecret("apiToken"),
    ...(baseUrl === undefined ? {} : { baseUrl }),
  };
}
