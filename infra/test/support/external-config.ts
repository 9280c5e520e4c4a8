/** The config of a stack whose PostgreSQL and Redis others run: what has no default, and nothing else. */
export const externalDatabaseConfig = {
  database: "external",
  databaseSecretUrl: "postgres://tenant:canary-p%40ss@db.example.org:6432/shop?sslmode=verify-full",
} as const;

export const externalRedisConfig = {
  redis: "external",
  redisSecretUrl: "rediss://default:canary-redis%2Fpass@cache.example.org:6380/0",
} as const;

export const externalConfig = { ...externalDatabaseConfig, ...externalRedisConfig } as const;

/** The same with dumps that go off-site. */
export const externalOffsiteConfig = {
  ...externalDatabaseConfig,
  offsiteBucket: "https://s3.example.org/copies",
  offsiteAccessKeyId: "id",
  offsiteSecretKey: "canary-secret",
  offsiteKey: "canary-key",
} as const;

export const EXTERNAL_SECRETS = ["databaseSecretUrl", "redisSecretUrl"];
