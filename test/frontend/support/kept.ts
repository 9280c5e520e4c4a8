/** Waits for the service worker of a page. */
import type { Page } from "playwright-core";
import { waitsFor } from "./holds.ts";

/** The worker keeps the page from now on. The page waits itself: its policy forbids what waitForFunction does again and again. */
export const isKept = (page: Page): Promise<void> =>
  waitsFor(
    page,
    `navigator.serviceWorker.ready.then(({ active }) => new Promise((resolve) => {
    const look = () => active.state === "activated" && resolve();
    active.addEventListener("statechange", look);
    look();
  }))`,
  );
