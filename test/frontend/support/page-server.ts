/** Serves the page as GitHub would: static files, compressed, from another origin than the API, without headers of our own. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  stackFiles,
  staticFiles,
  versionOf,
  withVersion,
  type SiteFile,
} from "../../../frontend/publish/site.ts";
import type { RuntimeConfig } from "../../../frontend/publish/runtime-config.ts";

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript",
  css: "text/css",
  svg: "image/svg+xml",
  json: "application/json",
  webmanifest: "application/manifest+json",
};

/**
 * What pages expect of the service's streams in tests, in s. It sends a heartbeat every half second; a page that expected
 * them as often would take a busy machine for a dead connection, and begin to poll.
 */
export const HEARTBEAT_SECONDS = 4;

type TestConfig = RuntimeConfig & { readonly heartbeatSeconds?: number };

export interface PageServer {
  /** The page's only origin. */
  readonly origin: string;
  /** Sets the content of runtime-config.json from now on. */
  configure(config: TestConfig): void;
  /** Sets a file from now on; undefined takes it away. It keeps the version of the page. */
  put(path: string, content: string | undefined, type?: string): void;
  /** Publishes a new version with these files in place of others, at once. @returns the version */
  publish(changes: Readonly<Record<string, (content: string) => string>>): string;
  /** Stops answering. */
  close(): Promise<void>;
}

export async function servePage(): Promise<PageServer> {
  let current: readonly SiteFile[] = staticFiles(join(import.meta.dirname, "../../../frontend"));
  const files = new Map(current.map((file) => [file.path, file.content]));
  const odd = new Map<string, string>();
  // For tests that bring their own script.
  files.set("blank.html", "<!doctype html><title>blank</title>");
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://page").pathname.slice(1) || "index.html";
    const content = files.get(path);
    const type = odd.get(path) ?? types[path.slice(path.lastIndexOf(".") + 1)] ?? "text/plain";
    const headers = { "content-type": type, "content-encoding": "gzip", "cache-control": "max-age=0" };
    response.writeHead(content === undefined ? 404 : 200, headers).end(gzipSync(content ?? ""));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  let config: TestConfig | undefined;
  const configure = (next: TestConfig): void => {
    config = next;
    const whole = { pageVersion: versionOf(current), heartbeatSeconds: HEARTBEAT_SECONDS, ...next };
    for (const { path, content } of stackFiles(whole, "")) files.set(path, content);
  };
  return {
    // A different site from the API's 127.0.0.1, as a page at github.io is.
    origin: `http://localhost:${port}`,
    configure,
    put: (path, content, type) => {
      if (type === undefined) odd.delete(path);
      else odd.set(path, type);
      if (content === undefined) files.delete(path);
      else files.set(path, content);
    },
    publish: (changes) => {
      const changed = current.map(({ path, content }) => ({
        path,
        content: changes[path]?.(content) ?? content,
      }));
      current = withVersion(changed);
      for (const { path, content } of current) files.set(path, content);
      if (config) configure(config);
      return versionOf(current);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
