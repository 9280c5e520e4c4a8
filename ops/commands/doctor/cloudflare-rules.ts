/**
 * Finds rules that somebody made in the dashboard in a phase that the program needs: a zone has one set of rules for each
 * phase, and the provider refuses to overwrite it ("A similar configuration with rules already exists", code 20217).
 */
import { planFirewall, planRateLimit } from "../../../infra/components/tunnel/zone.ts";
import type { KnownConfig } from "../../stack/settings.ts";
import { get, member, unreachable, type ApiEndpoint, type Finding } from "./cloud-api.ts";

/** The program's sets of rules: the end of the resource's name, the phase, and the refs of its own rules. */
const SETS = Object.entries({ "rate-limit": planRateLimit(1), firewall: planFirewall([], []) }).map(
  ([name, { phase, rules }]) => ({ name, phase: phase as string, refs: refsOf(rules) }),
);

function refsOf(rules: unknown): string[] {
  return (Array.isArray(rules) ? rules : []).map((rule) => String(member(rule, "ref")));
}

/** @param stack the name that is part of the resources' names. */
export async function checkRules(api: ApiEndpoint, config: KnownConfig, stack: string): Promise<Finding[]> {
  if (!config.cloudflareManageZone) return [];
  const { cloudflareZoneId: zone = "" } = config;
  return Promise.all(
    SETS.map(async ({ name, phase, refs }): Promise<Finding> => {
      const title = `Cloudflare rules (${phase})`;
      const { status, body } = await get(api, `/zones/${zone}/rulesets/phases/${phase}/entrypoint`);
      if (status === undefined) return unreachable(title, api.url);
      if (status === 404) return { name: title, good: true, detail: "none yet" };
      // The finding about the permission says whether the rules may be read at all.
      if (status !== 200)
        return { name: title, good: true, detail: `not readable (Cloudflare answered ${status})` };
      const foreign = refsOf(member(body, "result", "rules")).filter((ref) => !refs.includes(ref));
      if (foreign.length === 0) return { name: title, good: true, detail: "the program's own, or none" };
      return {
        name: title,
        good: false,
        detail: `${foreign.length} that the program did not make and will not overwrite`,
        remedy:
          "Delete them in the dashboard, or set omniai:cloudflareManageZone to false. Or, once an `up` has ended with that " +
          `error, take them over so that the next \`up\` replaces them: ${importLine(stack, name, zone, String(member(body, "result", "id")))}`,
      };
    }),
  );
}

/** Pure: the command that takes a set of rules over into the stack. Parent and provider are in it after the first `up`. */
export function importLine(stack: string, name: string, zone: string, id: string): string {
  const urn = (type: string, resource: string): string => `urn:pulumi:${stack}::omniai::${type}::${resource}`;
  const component = "omniai:tunnel:Tunnel";
  return [
    `pulumi import cloudflare:index/ruleset:Ruleset omniai-${stack}-${name} zones/${zone}/${id}`,
    `--parent 'tunnel=${urn(component, `${stack}-tunnel`)}'`,
    `--provider 'cloudflare=${urn(`${component}$pulumi:providers:cloudflare`, "cloudflare")}'`,
    `--protect=false --stack ${stack}`,
  ].join(" ");
}
