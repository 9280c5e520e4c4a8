/** How the service's image is named, and how a run of the program is told to use one that is there. */

/** @param build the content hash of its sources. */
export const imageOf = (build: string): string => `omniai/backend:${build}`;

/**
 * Names the build to deploy in place of the sources. A variable and not a config key: it belongs to one run (a
 * rollback), and the next `up` goes forward to the sources again.
 */
export const BUILD_VARIABLE = "OMNIAI_BACKEND_BUILD";
