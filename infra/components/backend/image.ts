/** How the service's image is named, and how a run of the program is told to use an existing one. */

/** @param build the content hash of its sources. */
export const imageOf = (build: string): string => `omniai/backend:${build}`;

/** True for a name that `imageOf` makes. Such an image was built by a deploy, and its name is its content. */
export const isOwnImage = (name: string): boolean => /^omniai\/backend:[0-9a-f]{16}$/.test(name);

/**
 * Names the build to deploy instead of the sources. It is a variable and not a config key, because it belongs to one run
 * (a rollback): the next `up` deploys the sources again.
 */
export const BUILD_VARIABLE = "OMNIAI_BACKEND_BUILD";
