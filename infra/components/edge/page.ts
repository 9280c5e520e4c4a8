/** The page at `/`, where the edge serves it: its files in a release, its headers, its location. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { SiteFile } from "../../../frontend/publish/site.ts";
import { packTar, type BinaryFile, type Owner } from "../../resources/archive.ts";
import { EDGE_FOLDER, PAGE_ARCHIVE, PAGE_FOLDER } from "./switch.ts";

export interface PageConfig {
  /** The page's Content-Security-Policy; undefined: the edge serves no page, and `/` answers 404. */
  readonly pagePolicy?: string;
}

/** Differs when a file of the page does. */
export const hashOfPage = (files: readonly SiteFile[]): string =>
  createHash("sha256").update(JSON.stringify(files)).digest("hex");

/**
 * The page as one compressed file of a release: a release stands in the stack's state, which is written again and again.
 * Empty for no page.
 */
export async function packPage(
  files: readonly SiteFile[],
  owner: Owner,
): Promise<Readonly<Record<string, BinaryFile>>> {
  if (files.length === 0) return {};
  const entries = files.map(({ path, content }) => [path, { content }] as const);
  const tar = await packTar(Object.fromEntries(entries), owner);
  return { [PAGE_ARCHIVE]: { content: gzipSync(tar, { level: 9 }) } };
}

/** For the http level: what differs between the page and the API. What the edge answers itself ($own) is no document. */
export const renderPageMaps = ({ pagePolicy }: PageConfig, apiPolicy: string): string =>
  pagePolicy === undefined
    ? ""
    : `
  map "$page:$own" $policy {
    default "${apiPolicy}";
    "1:" "${pagePolicy}";
  }
  # A document that others cannot reach into, even if they opened it.
  map "$page:$own" $opener_policy { default ""; "1:" same-origin; }
  map "$own_cache:$page:$own" $cache {
    default $own_cache;
    "~^:1:$" no-cache;
  }
`;

/**
 * The location of every path that nothing else answers. `try_files` works in a later phase than `return`, so that the
 * limits count these requests too.
 * @param hostCheck turns requests for hosts away that are not served.
 */
export const renderPageLocation = ({ pagePolicy }: PageConfig, release: string, hostCheck: string): string =>
  pagePolicy === undefined
    ? `# In a later phase than \`return\`, so that the limits count these too.
    location / { try_files /nothing =404; }`
    : `location / {
      ${hostCheck}
      set $page 1;
      root ${EDGE_FOLDER}/releases/${release}/${PAGE_FOLDER};
      # The files of a release have no time, so nothing could be told from their dates.
      etag off;
      if_modified_since off;
      max_ranges 0;
      charset utf-8;
      charset_types text/css text/javascript application/json application/manifest+json image/svg+xml;
      types {
        text/html html;
        text/css css;
        text/javascript js;
        image/svg+xml svg;
        image/png png;
        application/json json;
        application/manifest+json webmanifest;
      }
      try_files $uri $uri/index.html =404;
    }`;
