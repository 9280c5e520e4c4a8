/** How the service's image is named, and how a run of the program is told to use an existing one. */

/** @param build the content hash of its sources. */
export const imageOf = (build: string): string => `omniai/backend:${build}`;

/**
 * Names the build to deploy instead of the sources. It is a variable and not a config key, because it belongs to one run
 * (a rollback): the next `up` deploys the sources again.
 */
export const BUILD_VARIABLE = "OMNIAI_BACKEND_BUILD";
