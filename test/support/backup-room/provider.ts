/** A PostgreSQL that others run, behind the stack's gate: TLS, and a role that owns its database and may do nothing else. */
import { readFileSync } from "node:fs";
import type { TestServer } from "../../../service/test/support/servers.ts";
import { certificateFor, startTlsPostgres, TlsFiles } from "../../../service/test/support/tls-servers.ts";
import { docker } from "./engine.ts";
import { openGate } from "./gate.ts";

/** The name in the certificate, and another one that leads there as well. */
export const [HOST, ALIAS] = ["db.test", "alias.test"];
const PORT = 5432;

export class Provider {
  readonly #image: string;
  readonly #inside: string;
  readonly #files: TlsFiles;
  readonly server: TestServer;
  /** Its certificate, which is its own authority. */
  readonly authority: string;

  private constructor(image: string, inside: string, files: TlsFiles, server: TestServer, authority: string) {
    this.#image = image;
    this.#inside = inside;
    this.#files = files;
    this.server = server;
    this.authority = authority;
  }

  /** @param image the room's. @param inside the room's network, whose name begins all names. */
  static async create(image: string, inside: string): Promise<Provider> {
    const files = new TlsFiles();
    const authority = readFileSync(await certificateFor(files, "server", [HOST]), "utf8");
    const server = await startTlsPostgres(files, "server");
    const provider = new Provider(image, inside, files, server, authority);
    await docker("network", "create", provider.#outside);
    const names = [HOST, ALIAS].flatMap((name) => ["--alias", name]);
    await docker("network", "connect", ...names, provider.#outside, server.name);
    await provider.openGate(HOST);
    return provider;
  }

  get #outside(): string {
    return `${this.#inside}-outside`;
  }

  get #gate(): string {
    return `${this.#inside}-gate`;
  }

  /** Lets the room to that name, and to a bucket that nobody has. */
  openGate(host: string): Promise<void> {
    const [image, inside, outside] = [this.#image, this.#inside, this.#outside];
    const place = { image, name: this.#gate, inside, outside, folder: this.#files.folder };
    return openGate(place, "https://s3.test", { host, port: PORT });
  }

  /** What the stack tells its room of it. @param host by which name it is reached. */
  variables(host = HOST): Record<string, string> {
    return {
      ...{ PGHOST: host, PGPORT: String(PORT), PGUSER: "tenant", OMNIAI_EXTERNAL_DATABASE: "shop" },
      ...{ PGSSLMODE: "verify-full", PGSSLROOTCERT: "/run/secrets/postgres-authority.pem" },
      OMNIAI_OFFSITE_PROXY: "http://offsite:8888",
      OMNIAI_PGPASS_FILE: "/run/secrets/tenant-pgpass",
    };
  }

  /** The room's files beside its own. */
  get secrets(): Record<string, string> {
    return { "postgres-authority.pem": this.authority, "tenant-pgpass": "*:*:*:tenant:test\n" };
  }

  /** As the provider's own superuser. */
  sql(statement: string, database = "shop"): Promise<string> {
    return this.server.exec("psql", "-XqAtU", "postgres", "-d", database, "-c", statement);
  }

  /** As the stack's role, in its database. */
  asTenant(statement: string): Promise<string> {
    return this.sql(`SET ROLE tenant; ${statement}`);
  }

  async remove(): Promise<void> {
    await docker("rm", "--force", this.#gate);
    await this.server.remove();
    await docker("network", "rm", this.#outside);
    this.#files.remove();
  }
}
