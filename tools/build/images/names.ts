/** Image names as the stack's config writes them. */

export interface ImageName {
  /** The name as it was written. */
  readonly written: string;
  /** The registry's host; undefined for the default one. */
  readonly registry?: string;
  /** Without the host and without "library/": "postgres", "someone/thing". */
  readonly repository: string;
  readonly tag: string;
  readonly digest?: string;
}

/** Splits a name by the docker CLI's rules: a first part that has a dot or a colon, or is "localhost", is a host. */
export function parseImageName(written: string): ImageName {
  const [beforeDigest = "", digest] = written.split("@", 2);
  const slash = beforeDigest.indexOf("/");
  const first = beforeDigest.slice(0, Math.max(slash, 0));
  const isHost = first === "localhost" || /[.:]/.test(first);
  const registry = isHost && !/^(index\.)?docker\.io$/.test(first) ? first : undefined;
  const rest = isHost ? beforeDigest.slice(slash + 1) : beforeDigest;
  const colon = rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  return {
    written,
    registry,
    repository: registry === undefined ? path.replace(/^library\//, "") : path,
    tag: colon < 0 ? "latest" : rest.slice(colon + 1),
    digest,
  };
}

/** Splits a tag of an official image into version and variants: "17-trixie", "24.21.0-trixie-slim". */
export function splitTag(tag: string): { readonly version: string; readonly variant: string } {
  const dash = tag.indexOf("-");
  return dash < 0
    ? { version: tag, variant: "" }
    : { version: tag.slice(0, dash), variant: tag.slice(dash + 1) };
}

/**
 * True when the tag's version includes the version: "17" includes 17.11, "1.30" includes 1.30.6, "1.3" does not include
 * 1.30. Some projects write a v in front of it: "v1.151.0" is 1.151.0.
 */
export function tagCovers(tagVersion: string, version: string): boolean {
  const wanted = tagVersion.replace(/^v(?=\d)/, "");
  return version === wanted || version.startsWith(`${wanted}.`);
}
