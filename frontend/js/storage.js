/** What the browser keeps for a page. It may refuse (its user has blocked the site's storage) or be full: then nothing is kept. */

/** @typedef {"sessionStorage" | "localStorage"} Where for this tab, or for all of them. */

/**
 * @param {Where} where
 * @param {string} key
 * @returns {string | undefined} undefined: nothing was kept.
 */
export function recall(where, key) {
  try {
    // Where storage is blocked, its very name throws.
    return globalThis[where].getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {Where} where
 * @param {string} prefix
 * @returns {string[]} the keys that begin so.
 */
export function keysOf(where, prefix) {
  try {
    return Object.keys(globalThis[where]).filter((key) => key.startsWith(prefix));
  } catch {
    return [];
  }
}

/**
 * @param {Where} where
 * @param {string} key
 * @param {string} value
 */
export function remember(where, key, value) {
  try {
    globalThis[where].setItem(key, value);
  } catch {
    // The page works as well, but a reload begins anew.
  }
}
