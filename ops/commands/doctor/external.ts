/**
 * What `npm run doctor` can see of servers that others run: whether they answer this machine, and whether their certificate is
 * the right one, with the stack's own trust. Not their backups, their load, or the way from the stack's host to them.
 */
import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { parseRedisUrl } from "../../../infra/components/cache/url.ts";
import { parseDatabaseUrl } from "../../../infra/components/database/url.ts";
import { externalServers, takesDumps, type ExternalServer } from "../../stack/external.ts";
import type { KnownConfig } from "../../stack/settings.ts";
import type { Finding } from "./cloud-api.ts";
import type { ReadSecret } from "./clouds.ts";

const PATIENCE_MS = 5000;
const DAY_MS = 86_400_000;
/** A certificate that ends within so many days has to be renewed by somebody. */
const SOON_DAYS = 21;

/** Length 8 and the code 80877103 (PostgreSQL, protocol-message-formats, SSLRequest). */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** Where a server is, and who may vouch for it. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** In PEM; empty: the authorities that Node comes with. */
  readonly authority: string;
}

/** A finding for each server that others run. */
export async function inspectExternal(config: KnownConfig, read: ReadSecret): Promise<Finding[]> {
  return Promise.all(
    externalServers(config).map(async (server) => {
      const endpoint = await endpointOf(server, config, read);
      return endpoint === undefined
        ? {
            name: nameOf(server),
            good: false,
            detail: `omniai:${server.key}SecretUrl cannot be decrypted here, so nothing is known of the server`,
            remedy:
              "Give the stack's passphrase (PULUMI_CONFIG_PASSPHRASE_FILE), or run this where the stack is deployed from.",
          }
        : inspectServer(server, endpoint, server.key === "database" && takesDumps(config));
    }),
  );
}

const nameOf = ({ title }: ExternalServer): string => `external ${title}`;

async function endpointOf(
  { key }: ExternalServer,
  config: KnownConfig,
  read: ReadSecret,
): Promise<Endpoint | undefined> {
  const text = (await read(`${key}SecretUrl`)) ?? "";
  const url = key === "database" ? parseDatabaseUrl(text) : parseRedisUrl(text);
  const authority = (key === "database" ? config.databaseAuthority : config.redisAuthority) ?? "";
  return url && { host: url.host, port: url.port, authority };
}

/** What nobody sees from here, whatever the server answers. @param dumped whether the stack takes dumps of it. */
const unseen = (dumped: boolean): string =>
  dumped
    ? "its provider's backups and its load are not seen from here; of the stack's own dumps of it tells npm run backup -- list"
    : "its backups and its load are not seen from here";

/** Looks at the certificate as the service does. A server that does not answer this machine may answer the stack's host. */
export async function inspectServer(
  server: ExternalServer,
  endpoint: Endpoint,
  dumped = false,
): Promise<Finding> {
  const { host, port } = endpoint;
  const name = nameOf(server);
  let socket: Socket;
  try {
    socket = await within(open(host, port));
  } catch (error) {
    return { name, good: true, detail: unanswered(`${host}:${port}`, error, dumped) };
  }
  try {
    return { name, ...(await look(server, endpoint, socket, dumped)) };
  } finally {
    socket.destroy();
  }
}

const unanswered = (at: string, error: unknown, dumped: boolean): string =>
  `${at} does not answer this machine (${(error as Error).message}); whether it answers the replicas: npm run health. ${unseen(dumped)}`;

async function look(
  { workload, key }: ExternalServer,
  endpoint: Endpoint,
  socket: Socket,
  dumped: boolean,
): Promise<Omit<Finding, "name">> {
  const at = `${endpoint.host}:${endpoint.port}`;
  try {
    if (workload === "postgres" && !(await within(agreesToTls(socket))))
      return {
        good: false,
        detail: `${at} has no TLS, and the service talks to it by nothing else`,
        remedy: "Turn TLS on at the server.",
      };
  } catch (error) {
    return { good: true, detail: unanswered(at, error, dumped) };
  }
  try {
    const ends = await within(handshake(socket, endpoint));
    const days = Math.floor((ends - Date.now()) / DAY_MS);
    return {
      good: days >= SOON_DAYS,
      detail: `${at} answers, and its certificate is the right one for ${days} more days; ${unseen(dumped)}`,
      ...(days >= SOON_DAYS
        ? {}
        : { remedy: "Have the server's certificate renewed before the service refuses it." }),
    };
  } catch (error) {
    return {
      good: false,
      detail: `${at} is not who it should be: ${(error as Error).message}`,
      remedy: `Use a name that the certificate has, or give the certificate of its authority as omniai:${key}Authority.`,
    };
  }
}

async function open(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port });
  // Whoever gives up waiting has its answer already; a later error must not end the process.
  socket.on("error", () => undefined);
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socket;
}

async function agreesToTls(socket: Socket): Promise<boolean> {
  socket.write(sslRequest);
  const [answer] = (await once(socket, "data", { signal: AbortSignal.timeout(PATIENCE_MS) })) as [Buffer];
  return answer.toString("latin1", 0, 1) === "S";
}

/** @returns when the certificate ends, in ms since 1970. */
async function handshake(socket: Socket, { host, authority }: Endpoint): Promise<number> {
  const secure = connectTls({
    socket,
    host,
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    ...(authority === "" ? {} : { ca: authority }),
    ...(isIP(host) > 0 ? {} : { servername: host }),
  });
  secure.on("error", () => undefined);
  await once(secure, "secureConnect", { signal: AbortSignal.timeout(PATIENCE_MS) });
  const ends = Date.parse(secure.getPeerCertificate().valid_to);
  secure.destroy();
  return ends;
}

/** An abort says nothing about what was waited for. */
const within = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    const isLate = error instanceof Error && error.name === "AbortError";
    throw isLate ? new Error(`no answer within ${PATIENCE_MS / 1000} s`) : error;
  });
