/** The config of a stack with a tunnel: what has no default, and nothing else. */
export const tunnelConfig = {
  tunnelEnabled: true,
  tunnelHostnames: ["api.example.org", "ai.example.org"],
  cloudflareAccountId: "0123456789abcdef0123456789abcdef",
  cloudflareZoneId: "fedcba9876543210fedcba9876543210",
  cloudflareZone: "example.org",
  cloudflareApiToken: "canary-api-token",
  cloudflareAlertEmails: ["ops@example.org"],
} as const;

/** With the page as well. */
export const pagesConfig = {
  ...tunnelConfig,
  pagesEnabled: true,
  pagesRepository: "Owner/page",
  githubToken: "canary-github-token",
} as const;

/** With copies of the backups in the tunnel's bucket. */
export const offsiteConfig = {
  offsiteBucket: "tunnel",
  offsiteAccessKeyId: "r2-access-key",
  offsiteSecretKey: "canary-offsite-secret",
  offsiteKey: "canary-offsite-key",
} as const;

export const SECRETS = ["cloudflareApiToken", "githubToken", "offsiteSecretKey", "offsiteKey"];
