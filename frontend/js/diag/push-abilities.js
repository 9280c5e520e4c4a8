/** Whether a browser can show alerts, and what its user knows it by. */

/**
 * What of a browser decides whether it can.
 * @typedef {object} Abilities
 * @property {boolean} isSecure by https, or on the own machine.
 * @property {boolean} hasPush it has service workers, PushManager and Notification.
 * @property {boolean} isApplePhone an iPhone or iPad, whatever browser it says it is.
 * @property {boolean} isInstalled opened from the home screen.
 */

/**
 * Pure: why this browser cannot, and what to do; undefined: it can.
 * @param {Abilities} abilities
 */
export function whyNot({ isSecure, hasPush, isApplePhone, isInstalled }) {
  if (!isSecure) return "Browsers take alerts only for pages that come by https. Open this page by https.";
  if (hasPush) return undefined;
  return isApplePhone && !isInstalled
    ? "On an iPhone or iPad only an installed page gets alerts (iOS 16.4 or newer). Tap Share, then Add to Home Screen, open OmniAI from there and sign in."
    : "This browser cannot show alerts of a page. Use a current Chrome, Edge, Firefox or Safari, and no private window.";
}

/** @returns {Abilities} of this browser. */
export function abilities() {
  const { userAgent, maxTouchPoints } = navigator;
  return {
    isSecure: isSecureContext,
    hasPush: hasWorkers() && "PushManager" in globalThis && "Notification" in globalThis,
    // An iPad says that it is a Mac, which has no touch screen.
    isApplePhone: /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1),
    isInstalled: matchMedia("(display-mode: standalone)").matches,
  };
}

/** Where storage is blocked, the very name may throw. */
function hasWorkers() {
  try {
    return navigator.serviceWorker !== undefined;
  } catch {
    return false;
  }
}

/** The first that is found counts: Edge says that it is Chrome and Safari, too, and Android that it is Linux. */
/** @type {readonly [RegExp, string][]} */
const BROWSERS = [
  [/Edg/, "Edge"],
  [/Firefox|FxiOS/, "Firefox"],
  [/Chrome|CriOS/, "Chrome"],
  [/Safari/, "Safari"],
];
/** @type {readonly [RegExp, string][]} */
const SYSTEMS = [
  [/Android/, "Android"],
  [/iPhone/, "iPhone"],
  [/iPad/, "iPad"],
  [/Windows/, "Windows"],
  [/Macintosh/, "Mac"],
  [/Linux/, "Linux"],
];

/**
 * Pure: what its user may know the device by.
 * @param {string} userAgent
 */
export function nameOf(userAgent) {
  const first = (/** @type {typeof BROWSERS} */ all) => all.find(([pattern]) => pattern.test(userAgent))?.[1];
  const [browser = "A browser", system] = [first(BROWSERS), first(SYSTEMS)];
  return system === undefined ? browser : `${browser} on ${system}`;
}
