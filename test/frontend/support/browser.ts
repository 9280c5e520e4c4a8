/** Starts a real Chromium. */
import { chromium, type Browser } from "playwright-core";

/** @throws Error if the machine's browser is not named; the preparation of the tests names it. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = process.env["OMNIAI_CHROMIUM"];
  if (!executablePath)
    throw new Error("OMNIAI_CHROMIUM is not set. Run this suite with: npm test -- frontend");
  // Chromium cannot use its sandbox as root. These pages are our own, so they need no sandbox.
  return await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}
