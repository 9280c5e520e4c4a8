/** The service worker by itself: the published file, with a cache and a server that do what the test wants. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { staticFiles, withVersion, type SiteFile } from "../../frontend/publish/site.ts";

const ORIGIN = "https://page.example";
const SCOPE = `${ORIGIN}/omniai/`;
const API = "https://api.example";
const nothing = (): void => undefined;

interface Asked {
  readonly file: string;
  readonly cache: string | undefined;
}

/** What a fetch of the worker gets: a text, a status, or no answer. */
type Answer = string | number | Error;

/** Cache Storage as far as the worker uses it; shared by all versions of the worker. */
class Storage {
  readonly #caches = new Map<string, Map<string, Response>>();
  /** What each call ends with, by its name; undefined: it works. */
  broken: (call: string) => Error | undefined = nothing as () => undefined;
  /** What each call waits for, by its name. */
  slow: (call: string) => Promise<void> = () => Promise.resolve();

  async #call<T>(name: string, work: () => T): Promise<T> {
    await this.slow(name);
    const error = this.broken(name);
    if (error) throw error;
    return work();
  }

  readonly keys = (): Promise<string[]> => this.#call("keys", () => [...this.#caches.keys()]);
  readonly delete = (name: string): Promise<boolean> => this.#call("delete", () => this.#caches.delete(name));
  readonly open = (name: string): Promise<object> =>
    this.#call("open", () => {
      const files = this.#caches.get(name) ?? new Map<string, Response>();
      this.#caches.set(name, files);
      return {
        match: (url: URL) => this.#call("match", () => files.get(url.href)?.clone()),
        put: (url: URL, response: Response) => this.#call("put", () => void files.set(url.href, response)),
        delete: ({ url }: { url: string }) => this.#call("delete", () => files.delete(url)),
        keys: () => this.#call("keys", () => [...files.keys()].map((url) => ({ url }))),
      };
    });
}

interface Worker {
  /** @throws what the browser would show as its own error page. */
  navigate(file: string, client: string): Promise<Response>;
  load(file: string, client: string): Promise<Response>;
  install(): Promise<unknown>;
  activate(): Promise<unknown>;
  /** A message arrives. @param data its text; undefined: it has none. */
  push(data: string | undefined): Promise<unknown>;
  /** Somebody taps on the notification. */
  tap(): Promise<unknown>;
  /** The browser has renewed the subscription. @param given whether it hands the new one over: Firefox does not. */
  renew(given: boolean): Promise<unknown>;
}

describe("the service worker", () => {
  let storage: Storage;
  let files: SiteFile[];
  /** What the server gives in place of its files. */
  let answers: Map<string, Answer>;
  let asked: Asked[];
  /** How long the server takes to answer, in ms. */
  let takesMs: number;
  /** Says which pages are open, by their ids. */
  let openPages: () => Promise<string[]>;
  /** What the device shows, and which pages came to the front. */
  let shown: { title: string; options: object }[];
  let inFront: string[];
  /** What the service was told, and what it answers, one after the other; at last 204. */
  let told: { url: string; body: unknown; credentials: string | undefined }[];
  let serviceAnswers: (number | Error | Response)[];
  /** What the browser subscribes with, where it is asked to, and what it has. */
  let wanted: object[];
  let subscribed: object | null;
  /** How long the worker pauses, in ms, which passes at once. */
  let waited: number[];

  before(() => {
    files = staticFiles(join(import.meta.dirname, "../../frontend"));
  });
  beforeEach(() => {
    storage = new Storage();
    answers = new Map<string, Answer>([["runtime-config.json", "{}"]]);
    asked = [];
    takesMs = 0;
    openPages = () => Promise.resolve([]);
    shown = [];
    inFront = [];
    told = [];
    serviceAnswers = [];
    wanted = [];
    subscribed = null;
    waited = [];
  });

  const renewed = {
    toJSON: () => ({ endpoint: "https://push.example.org/new", keys: { p256dh: "p", auth: "new secret" } }),
  };
  function answerAsService(url: string, options: RequestInit): Promise<Response> {
    assert.equal(options.method, "POST");
    told.push({ url, body: JSON.parse(options.body as string) as unknown, credentials: options.credentials });
    const answer = serviceAnswers.shift() ?? 204;
    if (answer instanceof Error) return Promise.reject(answer);
    return Promise.resolve(answer instanceof Response ? answer : new Response(null, { status: answer }));
  }

  const contentOf = (path: string): string => {
    const file = files.find((each) => each.path === path);
    assert.ok(file, path);
    return file.content;
  };

  async function serve(url: string, cache: string | undefined, signal?: AbortSignal): Promise<Response> {
    const file = url.slice(SCOPE.length) || "index.html";
    asked.push({ file, cache });
    if (takesMs > 0)
      await new Promise((resolve, reject) => {
        setTimeout(resolve, takesMs);
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
      });
    const answer = answers.get(file) ?? contentOf(file);
    if (answer instanceof Error) throw answer;
    return typeof answer === "number"
      ? new Response(`${answer}`, { status: answer })
      : new Response(answer, { status: 200 });
  }

  /** @param published its version; a test's impatience is `patienceMs`, also for tidying up. */
  function start(published: readonly SiteFile[] = files, patienceMs = 50): Worker {
    const listeners = new Map<string, (event: object) => void>();
    const source = published.find(({ path }) => path === "sw.js")?.content ?? "";
    const impatient = source.replace(/^const (PATIENCE|TIDY)_MS = \d+;$/gm, `const $1_MS = ${patienceMs};`);
    runInNewContext(impatient, {
      AbortSignal,
      Response,
      URL,
      caches: storage,
      registration: {
        scope: SCOPE,
        pushManager: {
          getSubscription: () => Promise.resolve(subscribed),
          subscribe: (options: object) => Promise.resolve((wanted.push(options), renewed)),
        },
        showNotification: (title: string, options: object) => void shown.push({ title, options }),
      },
      clients: {
        matchAll: async () =>
          (await openPages()).map((id) => ({ id, url: id, focus: () => inFront.push(`tab ${id}`) })),
        openWindow: (url: string) => inFront.push(`new ${url}`),
      },
      skipWaiting: nothing,
      addEventListener: (name: string, listener: (event: object) => void) => listeners.set(name, listener),
      setTimeout: (done: () => void, ms: number) => (waited.push(ms), setImmediate(done)),
      fetch: (request: { url: string } | URL, options: RequestInit = {}) => {
        const url = request instanceof URL ? request.href : request.url;
        return url.startsWith(API)
          ? answerAsService(url, options)
          : serve(url, options.cache, options.signal ?? undefined);
      },
    });
    const lifecycle = async (name: string, event: object = {}): Promise<unknown> => {
      let work: Promise<unknown> | undefined;
      listeners.get(name)?.({ ...event, waitUntil: (promise: Promise<unknown>) => (work = promise) });
      return await work;
    };
    const request = async (file: string, mode: string, clients: object): Promise<Response> => {
      let response: Promise<Response> | undefined;
      listeners.get("fetch")?.({
        ...clients,
        request: { method: "GET", url: `${SCOPE}${file}`, mode },
        respondWith: (promise: Promise<Response>) => (response = promise),
        waitUntil: nothing,
      });
      assert.ok(response, `the worker leaves ${file} to the browser`);
      return await response;
    };
    return {
      install: () => lifecycle("install"),
      activate: () => lifecycle("activate"),
      push: (data) =>
        lifecycle("push", { data: data === undefined ? null : { json: () => JSON.parse(data) as unknown } }),
      renew: (given) => lifecycle("pushsubscriptionchange", { newSubscription: given ? renewed : null }),
      tap: () => lifecycle("notificationclick", { notification: { close: () => inFront.push("closed") } }),
      navigate: (file, client) => request(file, "navigate", { clientId: "", resultingClientId: client }),
      load: (file, client) => request(file, "no-cors", { clientId: client, resultingClientId: "" }),
    };
  }

  async function installed(published?: readonly SiteFile[]): Promise<Worker> {
    const worker = start(published);
    await worker.install();
    await worker.activate();
    asked = [];
    return worker;
  }

  const gives = async (response: Promise<Response>, text: string): Promise<void> =>
    assert.equal(await (await response).text(), text);

  for (const status of [429, 500, 502, 530])
    it(`opens the kept page, as a whole, when the server answers ${status}`, async () => {
      const worker = await installed();
      for (const path of ["runtime-config.json", ...files.map((file) => file.path)])
        answers.set(path, status);
      await gives(worker.navigate("", "a"), contentOf("index.html"));
      await gives(worker.load("style.css", "a"), contentOf("style.css"));
      await gives(worker.load("runtime-config.json", "a"), "{}");
    });

  it("shows an alert, loudly while it fires, in the place of what was said of it before", async () => {
    const worker = start();
    await worker.push(
      JSON.stringify({ title: "critical: A (prod)", body: "A is so.", tag: "a", isUrgent: true }),
    );
    await worker.push(
      JSON.stringify({ title: "over: A (prod)", body: "A is so.", tag: "a", isUrgent: false }),
    );
    assert.deepEqual(
      shown.map(({ title, options }) => [title, JSON.parse(JSON.stringify(options)) as object]),
      [
        [
          "critical: A (prod)",
          { body: "A is so.", tag: "a", renotify: true, requireInteraction: true, lang: "en" },
        ],
        [
          "over: A (prod)",
          { body: "A is so.", tag: "a", renotify: false, requireInteraction: false, lang: "en" },
        ],
      ],
    );
  });

  it("shows something for every message, because a browser takes the permission away else", async () => {
    const worker = start();
    for (const data of [
      undefined,
      "",
      "no JSON",
      "null",
      "7",
      "{}",
      '{"title":5,"tag":"a"}',
      '{"title":"a","tag":""}',
    ])
      await worker.push(data);
    assert.equal(shown.length, 8);
    assert.deepEqual([...new Set(shown.map(({ title }) => title))], ["OmniAI"]);
  });

  describe("whose browser has renewed the subscription to alerts", () => {
    const before = {
      api: API,
      publicKey: "the key",
      endpoint: "https://push.example.org/old",
      auth: "old secret",
    };
    const cache = async () =>
      (await storage.open("omniai push")) as {
        put(url: URL, response: Response): Promise<void>;
        match(url: URL): Promise<Response | undefined>;
      };
    const keep = async (): Promise<void> =>
      (await cache()).put(new URL("push", SCOPE), new Response(JSON.stringify(before)));
    const keptNow = async (): Promise<unknown> =>
      (await (await cache()).match(new URL("push", SCOPE)))?.json();
    const after = { ...before, endpoint: "https://push.example.org/new", auth: "new secret" };

    for (const given of [true, false])
      it(`tells the service, with what it knew before as its proof, ${given ? "of the one it is given" : "having asked for one"}`, async () => {
        await keep();
        await start().renew(given);
        assert.deepEqual(told, [
          {
            url: `${API}/api/push/renew`,
            credentials: "omit",
            body: {
              endpoint: "https://push.example.org/new",
              keys: { p256dh: "p", auth: "new secret" },
              publicKey: "the key",
              before: { endpoint: before.endpoint, auth: before.auth },
            },
          },
        ]);
        assert.equal(wanted.length, given ? 0 : 1);
        // The next time this is what it knew before.
        assert.deepEqual(await keptNow(), after);
      });

    it("tells it again where it does not answer or has trouble, and leaves the rest to the next visit", async () => {
      await keep();
      serviceAnswers = [new Error("no network"), 503];
      await start().renew(true);
      assert.equal(told.length, 3);
      assert.deepEqual(waited, [5000, 15_000]);
      assert.deepEqual(await keptNow(), after);
      await keep();
      serviceAnswers = [503, 502, 429, 204];
      await start().renew(true);
      assert.equal(told.length, 6);
      assert.deepEqual(await keptNow(), before);
    });

    it("waits as long as the service asks for, within a limit", async () => {
      const busy = (seconds: string): Response =>
        new Response(null, { status: 429, headers: { "retry-after": seconds } });
      await keep();
      serviceAnswers = [busy("62"), busy("3")];
      await start().renew(true);
      assert.deepEqual(waited, [62_000, 15_000]);
      assert.deepEqual(await keptNow(), after);
      for (const seconds of ["3600", "Sat, 28 Nov 2026 10:00:00 GMT"]) {
        await keep();
        serviceAnswers = [busy(seconds)];
        await start().renew(true);
        assert.deepEqual(await keptNow(), before);
      }
      assert.equal(waited.length, 2);
    });

    it("tells it with the next message where it could not, and shows the message whatever becomes of that", async () => {
      const message = JSON.stringify({ title: "A", body: "", tag: "a", isUrgent: true });
      await keep();
      serviceAnswers = [503, 503, 503];
      await start().renew(true);
      assert.deepEqual(await keptNow(), before);
      // Without a subscription there is nothing to tell of, and none is asked for.
      await start().push(message);
      assert.deepEqual([told.length, wanted.length], [3, 0]);
      subscribed = renewed;
      await start().push(message);
      assert.equal(told.length, 4);
      assert.deepEqual(await keptNow(), after);
      await start().push(message);
      assert.equal(told.length, 4);
      await keep();
      serviceAnswers = [new Error("a"), new Error("b"), new Error("c")];
      await start().push(message);
      storage.broken = () => new Error("broken");
      await start().push(message);
      assert.equal(shown.length, 5);
    });

    it("takes no success but the service's own for one", async () => {
      await keep();
      serviceAnswers = [200];
      await start().renew(true);
      assert.equal(told.length, 1);
      assert.deepEqual(await keptNow(), before);
    });

    const problem = (status: number, slug: string): Response =>
      new Response(JSON.stringify({ type: `urn:omniai:problem:${slug}` }), { status });

    it("does not insist where the service knows no such device, and leaves the page a note that it is so", async () => {
      await keep();
      serviceAnswers = [problem(404, "device-unknown")];
      await start().renew(true);
      assert.equal(told.length, 1);
      assert.deepEqual(await keptNow(), { ...before, isUnknown: true });
      await start().renew(true);
      assert.equal(told.length, 1);
    });

    for (const [whose, answer] of [
      ["a proxy's", () => new Response("<h1>Not Found</h1>", { status: 404 })],
      ["a service's without web push", () => problem(404, "push-off")],
      ["that of a service with another key", () => problem(409, "push-key-changed")],
    ] as const)
      it(`leaves it to the page's next visit after a refusal that says nothing of the device: ${whose}`, async () => {
        await keep();
        serviceAnswers = [answer()];
        await start().renew(true);
        assert.equal(told.length, 1);
        assert.deepEqual(await keptNow(), before);
      });

    it("tells nothing where alerts are off, or it cannot read what it would tell", async () => {
      await start().renew(true);
      storage.broken = () => new Error("broken");
      await start().renew(true);
      assert.equal(told.length, 0);
    });
  });

  it("opens the diagnostics when an alert is tapped on, in the tab that shows them where there is one", async () => {
    const worker = start();
    openPages = () => Promise.resolve([SCOPE, `${ORIGIN}/other/diagnostics.html`]);
    await worker.tap();
    openPages = () => Promise.resolve([SCOPE, `${SCOPE}diagnostics.html?a=1#b`]);
    await worker.tap();
    assert.deepEqual(inFront, [
      "closed",
      `new ${SCOPE}diagnostics.html`,
      "closed",
      `tab ${SCOPE}diagnostics.html?a=1#b`,
    ]);
  });

  it("gives what the server has to say where it keeps nothing, and where the page is gone", async () => {
    const worker = start();
    answers.set("index.html", 502);
    assert.equal((await worker.navigate("", "a")).status, 502);
    await worker.install().catch(nothing);
    answers.delete("index.html");
    await worker.install();
    answers.set("index.html", 404);
    assert.equal((await worker.navigate("", "b")).status, 404);
  });

  it("asks at its next try only for what did not arrive at the one before", async () => {
    const worker = start();
    answers.set("app.js", new TypeError("the network has changed"));
    await assert.rejects(worker.install());
    answers.delete("app.js");
    asked = [];
    await worker.install();
    assert.deepEqual(
      asked.map(({ file }) => file).filter((file) => file !== "runtime-config.json"),
      ["app.js"],
    );
    await worker.activate();
    answers.set("app.js", new TypeError("no network"));
    answers.set("index.html", new TypeError("no network"));
    await gives(worker.navigate("", "a"), contentOf("index.html"));
    await gives(worker.load("app.js", "a"), contentOf("app.js"));
  });

  it("asks the server past the browser's cache for every file of a page that comes from there", async () => {
    const worker = await installed();
    answers.set("index.html", "another version");
    answers.set("style.css", "of another version");
    await gives(worker.navigate("", "a"), "another version");
    await gives(worker.load("style.css", "a"), "of another version");
    storage = new Storage();
    const early = start();
    await early.navigate("diagnostics.html", "b");
    await early.load("app.js", "b");
    const loaded = ["index.html", "style.css", "diagnostics.html", "app.js"];
    assert.deepEqual(
      asked,
      loaded.map((file) => ({ file, cache: "no-cache" })),
    );
  });

  describe("keeps the config", () => {
    const isGiven = (worker: Worker, text: string): Promise<void> =>
      gives(worker.load("runtime-config.json", "a"), text);

    it("from its installation on, and over an update without a network in between", async () => {
      const worker = await installed();
      answers.set("runtime-config.json", new TypeError("no network"));
      await isGiven(worker, "{}");
      answers.set("new.txt", "new");
      const next = await installed(withVersion([...files, { path: "new.txt", content: "new" }]));
      await isGiven(next, "{}");
    });

    it("and gives the newest that the server has", async () => {
      const worker = await installed();
      answers.set("runtime-config.json", '{"stack":"new"}');
      await isGiven(worker, '{"stack":"new"}');
      answers.set("runtime-config.json", new TypeError("no network"));
      await isGiven(worker, '{"stack":"new"}');
    });

    it("and is installed also where there is none, which it says as the server does", async () => {
      answers.set("runtime-config.json", 404);
      const worker = await installed();
      assert.equal((await worker.load("runtime-config.json", "a")).status, 404);
    });

    it("for a server that is slow; without a copy it waits as long as that takes", async () => {
      answers.set("runtime-config.json", new TypeError("no network"));
      const worker = await installed();
      answers.set("runtime-config.json", "{}");
      takesMs = 200;
      await isGiven(worker, "{}");
      answers.set("runtime-config.json", '{"stack":"too late"}');
      await isGiven(worker, "{}");
    });
  });

  describe("tidies up", () => {
    /** A new version, and what the page of the one before has of its style. */
    async function replaced(worker: Worker, prepare: () => void): Promise<{ next: Worker; style: string }> {
      const style = contentOf("style.css");
      await worker.navigate("", "early");
      const changed = files.map((file) => (file.path === "style.css" ? { ...file, content: "new" } : file));
      answers.set("style.css", "new");
      const next = start(withVersion(changed));
      await next.install();
      prepare();
      await next.activate();
      return { next, style };
    }

    it("and leaves the version of a page that is open", async () => {
      const worker = await installed();
      openPages = () => Promise.resolve(["early"]);
      const { next, style } = await replaced(worker, nothing);
      await gives(next.load("style.css", "early"), style);
    });

    it("and removes the version that no page has", async () => {
      const worker = await installed();
      const { next } = await replaced(worker, nothing);
      await gives(next.load("style.css", "early"), "new");
      assert.equal((await storage.keys()).filter((name) => name.startsWith("omniai shell")).length, 1);
    });

    it("and leaves the version of a page that is opened meanwhile", async () => {
      const worker = await installed();
      openPages = async () => {
        await worker.navigate("", "late");
        return ["early"];
      };
      const { next, style } = await replaced(worker, nothing);
      await gives(next.load("style.css", "late"), style);
    });

    it("and removes nothing any more when visits are answered", async () => {
      const worker = await installed();
      let goOn: () => void = nothing;
      const held = new Promise<void>((resolve) => (goOn = resolve));
      const { next, style } = await replaced(worker, () => {
        storage.slow = (call) => (call === "keys" ? held : Promise.resolve());
      });
      goOn();
      await new Promise((resolve) => setTimeout(resolve, 20));
      await gives(next.load("style.css", "early"), style);
    });
  });

  describe("whose cache is broken", () => {
    for (const call of ["open", "match", "put"])
      it(`gives what the server has when ${call} fails`, async () => {
        const worker = await installed();
        storage.broken = (name) => (name === call ? new Error("QuotaExceededError") : undefined);
        await gives(worker.navigate("", "a"), contentOf("index.html"));
        await gives(worker.load("style.css", "a"), contentOf("style.css"));
        await gives(worker.load("runtime-config.json", "a"), "{}");
      });

    it("gives the kept page without a network, also when it cannot note who has it", async () => {
      const worker = await installed();
      storage.broken = (name) => (name === "put" ? new Error("QuotaExceededError") : undefined);
      answers.set("index.html", new TypeError("no network"));
      await gives(worker.navigate("", "a"), contentOf("index.html"));
    });
  });
});
