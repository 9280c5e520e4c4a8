/**
 * Questions to a page that may load itself anew meanwhile: the networks of other tests come and go on this machine, Chromium breaks off
 * what it loads then, and a page of which a file did not arrive begins anew (js/boot.js).
 */
import type { Page } from "playwright-core";

const isBegunAnew = (error: unknown): boolean => String(error).includes("Execution context was destroyed");

/** @returns what the expression says; false for a page that just begins anew, which is asked again by whoever waits. */
export const holds = (page: Page, expression: string): Promise<boolean> =>
  page.evaluate<boolean>(expression).catch((error: unknown) => {
    if (isBegunAnew(error)) return false;
    throw error;
  });

/** Waits for what the expression waits for, in the page or in the one that takes its place. */
export async function waitsFor(page: Page, expression: string): Promise<void> {
  for (;;) {
    try {
      return void (await page.evaluate(expression));
    } catch (error) {
      if (!isBegunAnew(error)) throw error;
    }
  }
}
