/** Serves the page as GitHub would: static files, from another origin than the API, without headers of our own. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { stackFiles, staticFiles } from "../../../infra/components/pages/site.ts";
import type { RuntimeConfig } from "../../../infra/components/pages/runtime-config.ts";

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript",
  css: "text/css",
  svg: "image/svg+xml",
  json: "application/json",
};

export interface PageServer {
  /** The page's only origin. */
  readonly origin: string;
  /** Sets the content of runtime-config.json from now on. */
  configure(config: RuntimeConfig & { readonly heartbeatSeconds?: number }): void;
  close(): Promise<void>;
}

export async function servePage(): Promise<PageServer> {
  const files = new Map(
    staticFiles(join(import.meta.dirname, "../../../frontend")).map((file) => [file.path, file.content]),
  );
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://page").pathname.slice(1) || "index.html";
    const content = files.get(path);
    const type = types[path.slice(path.lastIndexOf(".") + 1)] ?? "text/plain";
    response.writeHead(content === undefined ? 404 : 200, { "content-type": type }).end(content ?? "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    // A different site from the API's 127.0.0.1, as a page at github.io is.
    origin: `http://localhost:${port}`,
    configure: (config) => {
      for (const { path, content } of stackFiles(config, "")) files.set(path, content);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
