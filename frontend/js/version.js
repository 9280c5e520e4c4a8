/** The version of this page: a hash of its files, written here when it is published. */

export const PAGE_VERSION = "dev";

/**
 * Which service this page can go along with. Both numbers are raised, this one and the service's (OLDEST_PAGE_LEVEL), when the service
 * changes in a way that pages of before would show something wrong or stop working.
 */
export const PAGE_LEVEL = 1;
