/** A page of which a file did not arrive: the published script by itself, with a browser that does what the test wants. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";

const SOURCE = readFileSync(join(import.meta.dirname, "../../frontend/js/boot.js"), "utf8");

class Element {
  readonly dataset: Readonly<Record<string, string>>;
  constructor(dataset: Readonly<Record<string, string>> = { boot: "" }) {
    this.dataset = dataset;
  }
}

/** @param answers of the server to each question whether the page is there; an error: no network. */
function open(answers: (boolean | Error)[]) {
  const listeners = new Map<string, (event: object) => void>();
  const kept = new Map<string, string>();
  const timers: { readonly work: () => Promise<void>; readonly ms: number }[] = [];
  const asked: object[] = [];
  let reloads = 0;
  runInNewContext(SOURCE, {
    AbortSignal,
    Math: Object.assign(Object.create(Math) as object, { random: () => 0.5 }),
    HTMLScriptElement: Element,
    HTMLLinkElement: Element,
    location: { href: "https://page.example/", search: "", reload: () => (reloads += 1) },
    sessionStorage: {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
      removeItem: (key: string) => kept.delete(key),
    },
    setTimeout: (work: () => Promise<void>, ms: number) => timers.push({ work, ms }),
    addEventListener: (name: string, listener: (event: object) => void) => listeners.set(name, listener),
    fetch: (url: string, { method, cache }: { method: string; cache: string }) => {
      asked.push({ url, method, cache });
      const answer = answers.shift();
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ ok: answer });
    },
  });
  const waits: number[] = [];
  return {
    fail: (target: object = new Element()) => listeners.get("error")?.({ target }),
    load: () => listeners.get("load")?.({}),
    /** Lets the time pass until nothing waits any more. */
    pass: async () => {
      for (let next = timers.shift(); next; next = timers.shift()) {
        waits.push(next.ms);
        await next.work();
      }
      return { reloads, waits, asked };
    },
    kept,
  };
}

describe("a page of which a file did not arrive", () => {
  it("is loaded anew only when its server has it, and waits longer each time until then", async () => {
    const page = open([new TypeError("no network"), false, true]);
    page.fail();
    const { reloads, waits, asked } = await page.pass();
    assert.deepEqual([reloads, waits], [1, [1000, 2000, 4000]]);
    const question = { url: "https://page.example/", method: "HEAD", cache: "no-store" };
    assert.deepEqual(asked, [question, question, question]);
    page.load();
    assert.equal(page.kept.size, 1, "what was counted is there after the reload");
  });

  it("is loaded once however many files are missing, and not at all for one that it can do without", async () => {
    const page = open([true]);
    page.fail(new Element({}));
    page.fail({});
    assert.deepEqual((await page.pass()).waits, []);
    page.fail();
    page.fail();
    assert.equal((await page.pass()).reloads, 1);
  });

  it("forgets how often it was loaded when all of it has arrived", async () => {
    const page = open([]);
    page.kept.set("omniai reloads", "3");
    page.load();
    assert.equal(page.kept.size, 0);
    assert.deepEqual((await page.pass()).waits, []);
  });
});
