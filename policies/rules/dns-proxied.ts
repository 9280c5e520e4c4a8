/**
 * Rule dns-proxied. A record that is not proxied shows the host's address, and requests go past everything that
 * Cloudflare does. The page's own name is an exception: GitHub issues its certificate only for a name that resolves
 * to GitHub.
 */
import { resourceRule } from "../rule.ts";

interface RecordProps {
  readonly type: string;
  readonly content?: string;
  readonly proxied?: boolean;
  readonly ttl?: number;
}

export const dnsProxied = resourceRule<RecordProps>(
  ["cloudflare:index/dnsRecord:DnsRecord", "cloudflare:index/record:Record"],
  {
    name: "dns-proxied",
    title: "DNS records of hosts are proxied, with the automatic ttl.",
    source: "Cloudflare DNS, proxied records",
    remedy: "Set `proxied` to true and `ttl` to 1.",
    *check({ props }) {
      if (!/^(A|AAAA|CNAME)$/.test(props.type)) return;
      if (props.proxied !== true) {
        if (!/\.github\.io\.?$/.test(props.content ?? "")) yield "it is not proxied.";
      } else if (props.ttl !== 1) yield `its ttl is ${props.ttl ?? "not set"}; a proxied record has 1.`;
    },
  },
);
