/** The version of this page: a hash of its files, written here when it is published. */

export const PAGE_VERSION = "dev";

/**
 * Which service this page can go along with. Both numbers are raised, this one and the service's (OLDEST_PAGE_LEVEL), when the service
 * changes in a way that pages of before would show something wrong or stop working.
 */
export const PAGE_LEVEL = 1;

/**
 * Whether the service has gone on without this page.
 * @param {unknown} pageLevel the oldest that the service wants; an older service tells none.
 */
export const isTooOld = (pageLevel) => typeof pageLevel === "number" && pageLevel > PAGE_LEVEL;

/**
 * Whether another version of this page has been published since.
 * @param {string | undefined} pageVersion what the page's config says; a config that was not published with the page says nothing.
 */
export const isReplaced = (pageVersion) => pageVersion !== undefined && pageVersion !== PAGE_VERSION;
