/** Finds the digest that a tag stands for now: from the registry, else from buildx, else from the engine. */
import { spawnSync } from "node:child_process";
import type Docker from "dockerode";
import type { ImageName } from "../../stack/toolchain.ts";

const digestPattern = /^sha256:[0-9a-f]{64}$/;
/** An index is asked for before a single manifest, because it is the same for every platform (OCI distribution spec). */
const MANIFESTS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** One way to find a digest. @throws Error that says why it did not */
export type Way = (image: ImageName) => Promise<string>;

export interface RegistryOptions {
  /** The base URL of a registry's API by its host. Default: https, and Docker Hub for images without a host. */
  readonly base?: (registry: string | undefined) => string;
  readonly timeoutMs?: number;
}

const hub = (registry: string | undefined): string =>
  registry === undefined ? "https://registry-1.docker.io" : `https://${registry}`;

/** Pure: the parts of a Bearer challenge (RFC 6750, section 3). */
export function challenge(header: string): Readonly<Record<string, string>> | undefined {
  if (!/^bearer /i.test(header)) return undefined;
  return Object.fromEntries(
    [...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]),
  );
}

/** The registry's HTTP API, with the token that anybody gets. */
export function registry({ base = hub, timeoutMs = 15_000 }: RegistryOptions = {}): Way {
  return async (image) => {
    const repository =
      image.registry === undefined && !image.repository.includes("/")
        ? `library/${image.repository}`
        : image.repository;
    const url = `${base(image.registry)}/v2/${repository}/manifests/${image.tag}`;
    const head = (token?: string): Promise<Response> =>
      fetch(url, {
        method: "HEAD",
        headers: { accept: MANIFESTS, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
        signal: AbortSignal.timeout(timeoutMs),
      });
    let response = await head();
    if (response.status === 401) response = await head(await anonymousToken(response, timeoutMs));
    const digest = response.headers.get("docker-content-digest") ?? "";
    if (!response.ok || !digestPattern.test(digest))
      throw new Error(`the registry answered ${response.status}`);
    return digest;
  };
}

async function anonymousToken(response: Response, timeoutMs: number): Promise<string> {
  const { realm, ...parameters } = challenge(response.headers.get("www-authenticate") ?? "") ?? {};
  if (realm === undefined)
    throw new Error("the registry asks for a login and does not say where anonymous tokens come from");
  const answer = await fetch(`${realm}?${new URLSearchParams(parameters).toString()}`, {
    signal: AbortSignal.timeout(timeoutMs),
  });
  const body = (await answer.json()) as { token?: string; access_token?: string };
  const token = body.token ?? body.access_token;
  if (token === undefined) throw new Error(`the registry's token service answered ${answer.status}`);
  return token;
}

/** `docker buildx imagetools`, which knows the logins of whoever runs this. */
export const buildx: Way = (image) => {
  const name = image.written.split("@")[0] ?? image.written;
  const args = ["buildx", "imagetools", "inspect", name, "--format", "{{.Manifest.Digest}}"];
  const { status, stdout, stderr } = spawnSync("docker", args, { encoding: "utf8", timeout: 30_000 });
  const digest = (stdout ?? "").trim();
  return status === 0 && digestPattern.test(digest)
    ? Promise.resolve(digest)
    : Promise.reject(new Error((stderr ?? "").trim().split("\n")[0] || "the docker CLI is not installed"));
};

/** The digest that the engine noted when it pulled the image. An image that was built there has none. */
export const engine =
  (docker: Docker): Way =>
  async (image) => {
    const { RepoDigests } = await docker.getImage(image.written.split("@")[0] ?? image.written).inspect();
    const digest = (RepoDigests ?? [])
      .map((one) => one.split("@")[1] ?? "")
      .find((one) => digestPattern.test(one));
    if (digest === undefined) throw new Error("the image on the engine was not pulled from a registry");
    return digest;
  };

export interface Resolved {
  readonly digest?: string;
  /** Why each way that was tried did not find it. */
  readonly reasons: readonly string[];
}

/** Tries one way after the other until one finds the digest. */
export async function resolve(image: ImageName, ways: Readonly<Record<string, Way>>): Promise<Resolved> {
  const reasons: string[] = [];
  for (const [name, way] of Object.entries(ways)) {
    try {
      return { digest: await way(image), reasons };
    } catch (error) {
      const cause = (error as Error).cause;
      reasons.push(`${name}: ${cause instanceof Error ? cause.message : (error as Error).message}`);
    }
  }
  return { reasons };
}
