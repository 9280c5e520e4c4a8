/** The headers of every answer of the edge, also of its own errors. */
import { renderPageMaps, type PageConfig } from "./page.ts";

export interface HeaderConfig extends PageConfig {
  /** The exact origins of pages that may read the edge's own answers; the service says so for its own. */
  readonly corsOrigins: readonly string[];
  /** Who may be sent an answer as a resource: `same-site` only where page and API share a site. */
  readonly resourcePolicy: "cross-origin" | "same-site";
}

/** For everything but the page: nothing of an answer may be shown, framed or run as a document. */
const API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** Two years and subdomains, as OWASP has it; Mozilla's guideline 6.0 asks for as much. */
const HSTS = "max-age=63072000; includeSubDomains";

/**
 * OWASP's set, as far as it fits an API that a page of another site calls. Its COOP and COEP are about documents: the
 * page alone is one. The edge sets these headers for every answer and drops
 * those of the service, so that none is sent twice.
 */
const securityHeaders = ({ resourcePolicy, pagePolicy }: HeaderConfig): Readonly<Record<string, string>> => ({
  "Content-Security-Policy": pagePolicy === undefined ? API_POLICY : "$policy",
  "Cross-Origin-Resource-Policy": resourcePolicy,
  "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "X-Permitted-Cross-Domain-Policies": "none",
});

/**
 * For the http level: which page asks, and what depends on it.
 * @param onlyReal whether HSTS waits for a certificate that browsers trust ($real_certificate).
 */
export function renderHeaderMaps(config: HeaderConfig, onlyReal: boolean): string {
  // Regular expressions, because nginx ignores the case of plain texts. The answer is our own text, not the client's.
  const origins = config.corsOrigins
    .map((origin) => `    "~^${origin.replace(/[^A-Za-z0-9:/-]/g, "\\$&")}$" "${origin}";\n`)
    .join("");
  const [what, https] = onlyReal ? ["$real_certificate:", "1:https"] : ["", "https"];
  return `
  # For one's own machine no promise is made: it would break everything else that runs there.
  map "${what}$client_scheme:$host" $hsts {
    default "";
    "~^${https}:(localhost$|.*\\.localhost$)" "";
    "~^${https}:" "${HSTS}";
  }
  # Exact origins only. The service answers for itself; these are for what the edge answers ($own).
  map $http_origin $cors_origin {
    default "";
${origins}  }
  map $own $own_cors_origin { default ""; 1 $cors_origin; }
  map $own:$cors_origin $own_cors_credentials { default ""; "~^1:." true; }
  map $own:$cors_origin $own_cors_exposed { default ""; "~^1:." "retry-after, x-request-id"; }
  map $own $own_vary { default ""; 1 Origin; }
  map $method:$cors_origin $is_preflight { default 0; "~^OPTIONS:." 1; }
${renderPageMaps(config, API_POLICY)}`;
}

/** For the server level. nginx sends no header without a value, so one list is for all; a location must not add its own. */
export function renderHeaders(config: HeaderConfig): string {
  const fixed = Object.entries(securityHeaders(config));
  const hasPage = config.pagePolicy !== undefined;
  return [
    ...fixed.map(([name]) => `    proxy_hide_header ${name};`),
    "    proxy_hide_header Strict-Transport-Security;",
    "    proxy_hide_header X-Powered-By;",
    "    proxy_hide_header X-Request-Id;",
    ...fixed.map(([name, value]) => `    add_header ${name} "${value}" always;`),
    "    add_header Strict-Transport-Security $hsts always;",
    "    add_header X-Request-Id $trace always;",
    ...(hasPage ? ["    add_header Cross-Origin-Opener-Policy $opener_policy always;"] : []),
    `    add_header Cache-Control ${hasPage ? "$cache" : "$own_cache"} always;`,
    "    add_header Retry-After $own_retry_after always;",
    "    add_header Allow $own_allow always;",
    "    add_header Vary $own_vary always;",
    "    add_header Access-Control-Allow-Origin $own_cors_origin always;",
    "    add_header Access-Control-Allow-Credentials $own_cors_credentials always;",
    "    add_header Access-Control-Expose-Headers $own_cors_exposed always;",
    "    add_header Access-Control-Allow-Methods $own_cors_methods always;",
    "    add_header Access-Control-Allow-Headers $own_cors_headers always;",
  ].join("\n");
}
