/** An API of a few routes over real HTTP, which answers what a test wants, and what a page's script needs of a browser in Node. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface ScriptedApi {
  readonly url: string;
  /** What answers from now on, by path; everything else is 404. */
  readonly routes: Record<string, Answer>;
  /** What was asked for: path, query and authorization. */
  readonly asked: { readonly path: string; readonly query: URLSearchParams; readonly bearer?: string }[];
  close(): Promise<void>;
}

export async function startScriptedApi(routes: Record<string, Answer>): Promise<ScriptedApi> {
  const asked: ScriptedApi["asked"] = [];
  const server = createServer((request, response) => {
    const { pathname: path, searchParams: query } = new URL(request.url ?? "/", "http://api");
    const bearer = request.headers.authorization;
    asked.push({ path, query, ...(bearer === undefined ? {} : { bearer }) });
    request.resume();
    const answer = routes[path] ?? status(404);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    routes,
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const json =
  (body: unknown): Answer =>
  (_request, response) =>
    void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));

export const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    void response.writeHead(code, headers).end();

/** A stream that stays open after these lines. */
export const stream =
  (text: string): Answer =>
  (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(text);
  };

/** Gives the script a visible, connected page, without a screen. @returns takes it away again */
export function pretendPage(): () => void {
  const target = new EventTarget();
  const page: Readonly<Record<string, unknown>> = {
    document: Object.assign(new EventTarget(), { visibilityState: "visible" }),
    addEventListener: target.addEventListener.bind(target),
  };
  for (const [name, value] of Object.entries(page))
    Object.defineProperty(globalThis, name, { value, configurable: true });
  Object.defineProperty(navigator, "onLine", { value: true, configurable: true });
  return () => {
    for (const name of Object.keys(page)) Reflect.deleteProperty(globalThis, name);
    Reflect.deleteProperty(navigator, "onLine");
  };
}
