/** Real browsers for all files of a run: the start of one is the dearest part of a test. */
import { chromium, type Browser, type Page } from "playwright-core";

type Kind = "shell" | "whole";
const launched = new Map<Kind, Promise<Browser>>();

/**
 * The run's browser, without windows of its own. Tests have contexts of their own in it, which share nothing.
 * @throws Error if the machine's browser is not named; the preparation of the tests names it.
 */
export const sharedBrowser = (): Promise<Browser> => shared("shell");

/** The run's browser with all that a person's has. It takes several times as long for each page. @throws Error as sharedBrowser */
export const wholeBrowser = (): Promise<Browser> => shared("whole");

async function shared(kind: Kind): Promise<Browser> {
  const before = await launched.get(kind)?.catch(() => undefined);
  // A browser that has crashed fails one test, not all after it.
  if (before?.isConnected()) return before;
  const browser = launch(kind);
  launched.set(kind, browser);
  return await browser;
}

async function launch(kind: Kind): Promise<Browser> {
  const whole = process.env["OMNIAI_CHROMIUM"];
  const executablePath = kind === "shell" ? process.env["OMNIAI_HEADLESS_SHELL"] || whole : whole;
  if (!executablePath)
    throw new Error("OMNIAI_CHROMIUM is not set. Run this suite with: npm test -- frontend");
  // Chromium cannot use its sandbox as root. These pages are our own, so they need no sandbox.
  return await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

/** Of a script, where a module did not arrive, or a file of the page, which begins anew then (js/boot.js). */
const brokenOff = /Failed to fetch dynamically imported module|Execution context was destroyed/;

/** How often a page is asked for again. */
const VISITS = 5;

/**
 * Opens an address. The networks of other tests come and go on this machine, and Chromium breaks off what it loads then.
 * @throws Error as the browser says it, for any other reason and after so many times
 */
export async function visit(page: Page, url: string): Promise<void> {
  for (let left = VISITS; ; left -= 1) {
    try {
      await page.goto(url);
      return;
    } catch (error) {
      if (left === 1 || !String(error).includes("ERR_NETWORK_CHANGED")) throw error;
    }
  }
}

/**
 * Opens an address and runs there what imports modules. One that did not arrive stays missing in that document, so the address is
 * opened again.
 * @throws Error as the browser says it, for any other reason and after so many times
 */
export async function visitAndRun(page: Page, url: string, script: string): Promise<void> {
  for (let left = VISITS; ; left -= 1) {
    await visit(page, url);
    try {
      return void (await page.evaluate(script));
    } catch (error) {
      if (left === 1 || !brokenOff.test(String(error))) throw error;
    }
  }
}

after(async function () {
  this.timeout(30_000);
  for (const browser of launched.values()) await (await browser.catch(() => undefined))?.close();
});
