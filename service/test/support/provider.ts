/** An AI provider that answers as a test tells it to. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface TestProvider {
  readonly baseUrl: string;
  readonly requests: { readonly url: string; readonly authorization: string | undefined }[];
  /** How it behaves from now on. */
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  close(): Promise<void>;
}

export const models: TestProvider["answer"] = (_request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ object: "list", data: [{ id: "small" }, { id: "large" }, { no: "id" }] }));
};
export const silence: TestProvider["answer"] = () => undefined;

/** An OpenAI-compatible API that behaves as a test tells it to. */
export async function startProvider(): Promise<TestProvider> {
  const server = createServer((request, response) => {
    provider.requests.push({ url: request.url ?? "", authorization: request.headers.authorization });
    provider.answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const provider: TestProvider = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests: [],
    answer: models,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return provider;
}
