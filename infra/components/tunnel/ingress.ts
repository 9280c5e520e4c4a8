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

type TunnelConfig = types.input.ZeroTrustTunnelCloudflaredConfigConfig;

/** What is none of ours. Cloudflare wants such a last rule, without a host name. */
const CATCH_ALL = { service: "http_status:404" };

/**
 * The whole document, because Cloudflare replaces the whole document: what is not in it is gone. Every field is written
 * out, since what is left to Cloudflare's defaults comes back as a change.
 */
export function planIngress(args: IngressArgs): TunnelConfig {
  if (args.closing) return { ingresses: [CATCH_ALL] };
  const originRequest = {
    connectTimeout: 5,
    http2Origin: false,
    keepAliveConnections: 100,
    // Shorter than the edge's, so that no request goes out on a connection that the edge is about to close.
    keepAliveTimeout: Math.max(1, args.edgeKeepaliveSeconds - 2),
    noTlsVerify: false,
  };
  return {
    ingresses: [
      ...args.hostnames.map((hostname) => ({ hostname, service: args.service, originRequest })),
      CATCH_ALL,
    ],
  };
}
