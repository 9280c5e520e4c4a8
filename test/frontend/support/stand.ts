/** What the tests of a page in a browser stand on. */
import type { Browser } from "playwright-core";
import { Backend } from "./backend.ts";
import { sharedBrowser } from "./browser.ts";
import { servePage, type PageServer } from "./page-server.ts";

export interface Stand {
  readonly browser: Browser;
  /** The page's own server. */
  readonly site: PageServer;
  /** The real service, which lets that page in. It runs once it was asked to be ready. */
  readonly backend: Backend;
}

/**
 * For all tests of the group that calls this, and ended after them.
 * @param environment of the service, beside the page that it lets in.
 */
export function stand(environment: Readonly<Record<string, string>> = {}): Stand {
  let parts: [Browser, PageServer];
  const backend = new Backend(() => ({ OMNIAI_CORS_ORIGINS: parts[1].origin, ...environment }));
  before(async () => {
    parts = await Promise.all([sharedBrowser(), servePage()]);
  });
  after(async () => {
    await backend.stop();
    await parts[1].close();
  });
  return {
    get browser() {
      return parts[0];
    },
    get site() {
      return parts[1];
    },
    backend,
  };
}
