/**
 * Rules that somebody made in the dashboard, in a phase that the program wants: a zone has one set of rules for each phase,
 * and the provider refuses to overwrite one ("A similar configuration with rules already exists", code 20217).
 */
import { planFirewall, planRateLimit } from "../../../infra/components/tunnel/zone.ts";
import { get, member, unreachable, type ApiEndpoint, type Finding } from "./cloud-api.ts";
import { isOn, textOf, type Values } from "../../stack/settings.ts";

/** The program's sets of rules: the end of the resource's name, the phase, and by what its own rules are known. */
const SETS = Object.entries({ "rate-limit": planRateLimit(1), firewall: planFirewall([]) }).map(
  ([name, { phase, rules }]) => ({ name, phase: phase as string, refs: refsOf(rules) }),
);

function refsOf(rules: unknown): string[] {
  return (Array.isArray(rules) ? rules : []).map((rule) => String(member(rule, "ref")));
}

/** @param stack its name, which is part of the resources' names. */
export async function checkRules(place: ApiEndpoint, values: Values, stack: string): Promise<Finding[]> {
  if (!isOn(values, "cloudflareManageZone")) return [];
  const zone = textOf(values, "cloudflareZoneId") ?? "";
  return Promise.all(
    SETS.map(async ({ name, phase, refs }): Promise<Finding> => {
      const title = `Cloudflare rules (${phase})`;
      const { status, body } = await get(place, `/zones/${zone}/rulesets/phases/${phase}/entrypoint`);
      if (status === undefined) return unreachable(title, place.url);
      if (status === 404) return { name: title, good: true, detail: "none yet" };
      // Whether it may be read at all is said by the permission's own finding.
      if (status !== 200)
        return { name: title, good: true, detail: `not seen (Cloudflare answered ${status})` };
      const foreign = refsOf(member(body, "result", "rules")).filter((ref) => !refs.includes(ref));
      if (foreign.length === 0) return { name: title, good: true, detail: "the program's own, or none" };
      return {
        name: title,
        good: false,
        detail: `${foreign.length} that the program did not make, which it will not overwrite`,
        remedy:
          "Delete them in the dashboard, or set omniai:cloudflareManageZone to false. Or take them over, which replaces " +
          `them at the next \`up\`, after one that ended with this error: ${importLine(stack, name, zone, String(member(body, "result", "id")))}`,
      };
    }),
  );
}

/** Pure: what takes a set of rules over into the stack. Its parent and its provider are there after the first `up`. */
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
