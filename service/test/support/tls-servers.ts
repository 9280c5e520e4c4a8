/** PostgreSQL and Redis as a provider runs them: with TLS, a certificate that this file makes, and no other way in. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCertificate, type CertificatePair } from "../../../infra/components/edge/certificate.ts";
import { TestServer } from "./servers.ts";
import { eventually } from "./wait.ts";

const POSTGRES_IMAGE = process.env.OMNIAI_TEST_POSTGRES_IMAGE ?? "postgres:17-trixie";
const REDIS_IMAGE = process.env.OMNIAI_TEST_REDIS_IMAGE ?? "redis:8";
const PASSWORD_FILE = new URL("./password.txt", import.meta.url).pathname;

/** A folder of the test's own with what the containers and the service read. */
export class TlsFiles {
  readonly folder = mkdtempSync(join(tmpdir(), "omniai-tls-"));

  constructor() {
    // The servers' users in the containers are others.
    chmodSync(this.folder, 0o755);
  }

  /** @returns the path of the file. */
  write(name: string, content: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, content, { mode: 0o644 });
    return path;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A certificate for these names that nobody but its holder has signed; it is its own authority. */
export async function certificateFor(
  files: TlsFiles,
  name: string,
  hosts: readonly string[],
): Promise<string> {
  const { certificate, key }: CertificatePair = await createCertificate(hosts);
  files.write(`${name}.key`, key);
  return files.write(`${name}.crt`, certificate);
}

/** The key as a file of its own, because both servers refuse one that others may read. */
const withOwnKey = (name: string, program: string): string[] => [
  "sh",
  "-c",
  `install -m 600 -o ${program} -g ${program} /tls/${name}.key /tmp/server.key && exec docker-entrypoint.sh "$@"`,
  "sh",
];

/** A role that owns its database and is nothing more, as a provider gives it. @param name of the certificate's files */
export async function startTlsPostgres(
  { folder }: TlsFiles,
  name: string,
  address?: string,
): Promise<TestServer> {
  const environment = ["POSTGRES_PASSWORD=test"];
  const server = await TestServer.start(
    "tls-postgres",
    5432,
    ["-v", `${folder}:/tls:ro`, ...environment.flatMap((each) => ["-e", each]), POSTGRES_IMAGE],
    [
      ...withOwnKey(name, "postgres"),
      ...["postgres", "-c", "fsync=off", "-c", "ssl=on"],
      ...["-c", `ssl_cert_file=/tls/${name}.crt`, "-c", "ssl_key_file=/tmp/server.key"],
    ],
    address,
  );
  const psql = (sql: string): Promise<string> =>
    server.exec("psql", "-h", "127.0.0.1", "-XqU", "postgres", "-c", sql);
  await eventually(
    "PostgreSQL",
    () =>
      psql("SELECT 1").then(
        () => true,
        () => false,
      ),
    50_000,
  );
  await psql("CREATE ROLE tenant LOGIN PASSWORD 'test' NOSUPERUSER NOCREATEDB NOCREATEROLE");
  await psql("CREATE DATABASE shop OWNER tenant");
  return server;
}

export const postgresVariables = ({ port }: TestServer, host = "localhost"): Record<string, string> => ({
  PGHOST: host,
  PGPORT: String(port),
  PGUSER: "tenant",
  PGDATABASE: "shop",
  PGSSLMODE: "verify-full",
  OMNIAI_POSTGRES_PASSWORD_FILE: PASSWORD_FILE,
});

/** @param options.settings more for its command line, such as --appendonly no. */
export async function startTlsRedis(
  { folder }: TlsFiles,
  name: string,
  { settings = [], address }: { readonly settings?: readonly string[]; readonly address?: string } = {},
): Promise<TestServer> {
  const server = await TestServer.start(
    "tls-redis",
    6379,
    ["-v", `${folder}:/tls:ro`, REDIS_IMAGE],
    [
      ...withOwnKey(name, "redis"),
      ...["redis-server", "--port", "0", "--tls-port", "6379", "--tls-auth-clients", "no"],
      ...["--tls-cert-file", `/tls/${name}.crt`, "--tls-key-file", "/tmp/server.key"],
      ...["--tls-ca-cert-file", `/tls/${name}.crt`, "--requirepass", "test"],
      ...[
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
        "--maxmemory-policy",
        "noeviction",
        ...settings,
      ],
    ],
    address,
  );
  const ask = [
    "redis-cli",
    "--tls",
    "--cacert",
    `/tls/${name}.crt`,
    "-a",
    "test",
    "--no-auth-warning",
    "ping",
  ];
  await eventually(
    "Redis",
    () =>
      server.exec(...ask).then(
        (said) => said === "PONG",
        () => false,
      ),
    50_000,
  );
  return server;
}

export const redisVariables = ({ port }: TestServer, host = "localhost"): Record<string, string> => ({
  OMNIAI_REDIS_URL: `rediss://${host}:${port}`,
  // No user: as a provider that has only a password.
  OMNIAI_REDIS_USERNAME: "",
  OMNIAI_REDIS_PASSWORD_FILE: PASSWORD_FILE,
});
