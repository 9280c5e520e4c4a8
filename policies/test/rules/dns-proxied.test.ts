/** The cases of rule dns-proxied. */
import { dnsProxied } from "../../rules/dns-proxied.ts";
import { resource, testRule } from "../support/cases.ts";

const record = (props: object) => resource("cloudflare:index/dnsRecord:DnsRecord", "api", props);

testRule(dnsProxied, {
  passes: {
    proxied: record({ type: "CNAME", content: "x.cfargotunnel.com", proxied: true, ttl: 1 }),
    "the page": record({ type: "CNAME", content: "owner.github.io", proxied: false, ttl: 300 }),
    "the page, as the program declares it": record({
      type: "CNAME",
      content: "owner.github.io",
      proxied: false,
      ttl: 1,
    }),
    "a text": record({ type: "TXT", content: "x" }),
  },
  fails: {
    "not proxied": [record({ type: "A", content: "192.0.2.1", ttl: 1 }), /not proxied/],
    "a name that only looks like GitHub's": [
      record({ type: "CNAME", content: "owner.github.io.example.org", proxied: false, ttl: 1 }),
      /not proxied/,
    ],
    "a ttl": [record({ type: "A", content: "192.0.2.1", proxied: true, ttl: 300 }), /ttl is 300/],
  },
});
