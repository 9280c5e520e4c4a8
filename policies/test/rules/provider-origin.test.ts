/** The cases of rule provider-origin. */
import { providerOrigin } from "../../rules/provider-origin.ts";
import { container, resource, testRule } from "../support/cases.ts";

const provider = (props: object) => resource("pulumi:providers:docker", "engine", props);
const ELSEWHERE = "https://plugins.example.org";

testRule(providerOrigin, {
  passes: {
    "a provider of Pulumi": provider({ host: "unix:///var/run/docker.sock", version: "5.2.0" }),
    "a resource that is no provider": container(),
  },
  fails: {
    "from an address": [provider({ pluginDownloadURL: ELSEWHERE }), /plugins\.example\.org/],
    "from an address that the engine keeps apart": [
      provider({ __internal: { pluginDownloadURL: ELSEWHERE } }),
      /plugins\.example\.org/,
    ],
  },
});
