/** Rule provider-origin. A plugin runs with every right of whoever deploys, so it comes from where Pulumi's own come from. */
import { resourceRule } from "../rule.ts";

interface ProviderProps {
  readonly pluginDownloadURL?: string;
  readonly __internal?: { readonly pluginDownloadURL?: string };
}

export const providerOrigin = resourceRule<ProviderProps>("every", {
  name: "provider-origin",
  title: "A provider's plugin comes from Pulumi, not from an address in the program.",
  source: "CWE-494",
  remedy: "Leave `pluginDownloadURL` out.",
  *check({ type, props }) {
    if (!type.startsWith("pulumi:providers:")) return;
    const address = props.pluginDownloadURL ?? props.__internal?.pluginDownloadURL ?? "";
    if (address !== "") yield `its plugin is downloaded from ${address}.`;
  },
});
