/** A real Chromium. */
import { chromium, type Browser } from "playwright-core";

/** @throws Error when the machine's browser is not named: the tests' preparation does it. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = process.env["OMNIAI_CHROMIUM"];
  if (!executablePath)
    throw new Error("OMNIAI_CHROMIUM is not set. Run this suite with: npm test -- frontend");
  // Chromium refuses its sandbox as root; these pages are our own.
  return await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}
