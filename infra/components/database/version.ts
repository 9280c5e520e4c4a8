/** PostgreSQL's major version by the name of its image, and what goes by it. */

/** The version that the project stands on where an image's tag does not begin with a number. */
const DEFAULT_MAJOR = 17;

/** Pure: 18 for "postgres:18.1-trixie@sha256:…"; undefined for a tag that does not begin with a number, and without one. */
export function majorOf(image: string): number | undefined {
  const [, major] = /:(\d+)(?:[.-][^/:@]*)?(?:@[^/]*)?$/.exec(image) ?? [];
  return major === undefined ? undefined : Number(major);
}

/**
 * Pure: the folder that the official image declares as a volume, and that belongs to PostgreSQL's user in it. From 18 on it is the parent of
 * the one that it was before (docker-library/postgres, README.md, "PGDATA").
 */
export const dataFolderOf = (image: string): string =>
  (majorOf(image) ?? DEFAULT_MAJOR) >= 18 ? "/var/lib/postgresql" : "/var/lib/postgresql/data";
