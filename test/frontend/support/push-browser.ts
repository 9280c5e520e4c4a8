/** A browser whose push service is the test's: Chromium reaches no other here. */
import type { BrowserContext } from "playwright-core";
import type { PushService, TestDevice } from "../../../service/test/support/push-service.ts";

/** In the place of the browser's own way to its push service. What it has is kept by the test, as a browser keeps it over visits. */
const STAND_IN = `(() => {
  const key = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0)).buffer;
  const subscriptionOf = (found) => found && {
    endpoint: found.endpoint,
    options: { userVisibleOnly: true, applicationServerKey: key(found.publicKey) },
    toJSON: () => found,
    unsubscribe: () => unsubscribeHere(),
  };
  PushManager.prototype.getSubscription = async () => subscriptionOf(await subscriptionHere()) ?? null;
  PushManager.prototype.subscribe = async ({ applicationServerKey, userVisibleOnly }) => {
    if (userVisibleOnly !== true) throw new Error("silent");
    const bytes = new Uint8Array(applicationServerKey);
    return subscriptionOf(await subscribeHere(btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")));
  };
  const ask = Notification.requestPermission.bind(Notification);
  Notification.requestPermission = (...rest) => { askedHere(); return ask(...rest); };
})()`;

/** What the browser has: kept here, as a browser keeps it over visits. */
export interface PushBrowser {
  /** The subscription; undefined for none. */
  device: TestDevice | undefined;
  /** How often a page asked for the permission. */
  asked: number;
}

/** Gives the context's pages subscriptions at this push service. The permission is still the browser's own. */
export async function subscribesAt(push: PushService, context: BrowserContext): Promise<PushBrowser> {
  const browser: PushBrowser = { device: undefined, asked: 0 };
  await context.exposeFunction("askedHere", () => void browser.asked++);
  await context.exposeFunction("subscriptionHere", () => browser.device?.body());
  await context.exposeFunction("unsubscribeHere", () => {
    browser.device = undefined;
    return true;
  });
  await context.exposeFunction("subscribeHere", (publicKey: string) => {
    browser.device = push.subscribe(publicKey);
    return browser.device.body();
  });
  await context.addInitScript(STAND_IN);
  return browser;
}
