/** Which pages this service can go along with: see PAGE_LEVEL in frontend/js/version.js. */

/** The oldest level of a page that shows this service right. A page of a lower one says that it has to be published anew. */
export const OLDEST_PAGE_LEVEL = 1;
