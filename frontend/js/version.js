/** The version of this page: a hash of its files, written here when it is published. */

export const PAGE_VERSION = "dev";
