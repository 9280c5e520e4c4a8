/** What the tunnel does with a request: a pure function of the host names. */
import type { types } from "@pulumi/cloudflare";

export interface IngressArgs {
  /** The host names that lead to the edge. */
  readonly hostnames: readonly string[];
  /** The edge as the connectors see it, for example http://edge:8080. */
  readonly service: string;
  /** How long the edge keeps an idle connection open, in seconds. */
  readonly edgeKeepaliveSeconds: number;
  /** True: nobody gets through any more. */
  readonly closing: boolean;
}

type TunnelConfig = types.input.ZeroTrustTunnelCloudflaredConfigConfig & {
  readonly ingresses: readonly unknown[];
};
type OriginRequest = types.input.ZeroTrustTunnelCloudflaredConfigConfigIngressOriginRequest;

/** Absent means "not used", and there is no value that says so: to write one would change what happens. */
export const UNUSED = ["access", "caPool", "httpHostHeader", "originServerName", "proxyType"] as const;

/** Every other field; one that a new version of the provider brings does not compile until it is decided here. */
type Written = Required<Omit<OriginRequest, (typeof UNUSED)[number]>>;

/** What is none of ours. Cloudflare wants such a last rule, without a host name. */
const catchAll = { service: "http_status:404" };

/**
 * The whole document, because Cloudflare replaces the whole document: what is not in it is gone. Every number and flag is
 * written out, since what is left to Cloudflare's defaults comes back as a change; its defaults are its own
 * (developers.cloudflare.com, "Origin parameters"), but for the two times.
 */
export function planIngress(args: IngressArgs): TunnelConfig {
  if (args.closing) return { ingresses: [catchAll] };
  const originRequest: Written = {
    // The edge is on the same host: what takes longer does not come.
    connectTimeout: 5,
    disableChunkedEncoding: false,
    http2Origin: false,
    keepAliveConnections: 100,
    // Shorter than the edge's, so that no request goes out on a connection that the edge is about to close.
    keepAliveTimeout: Math.max(1, args.edgeKeepaliveSeconds - 2),
    matchSnItoHost: false,
    noHappyEyeballs: false,
    noTlsVerify: false,
    tcpKeepAlive: 30,
    tlsTimeout: 10,
  };
  return {
    ingresses: [
      ...args.hostnames.map((hostname) => ({ hostname, service: args.service, originRequest })),
      catchAll,
    ],
  };
}
