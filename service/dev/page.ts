/** The page of `npm run dev`, at `/` of the service itself, as the edge serves it in a stack. */
import { extname, join } from "node:path";
import type { RequestHandler } from "express";
import { OWN_ORIGIN, renderRuntimeConfig, type PageSettings } from "../../frontend/publish/runtime-config.ts";
import { policyOf, siteFiles } from "../../frontend/publish/site.ts";

const FRONTEND = join(import.meta.dirname, "../../frontend");

/** Read anew for each request, so that a changed file is there after a reload of the page. */
export function servePage(settings: PageSettings): RequestHandler {
  return (request, response, next) => {
    if (request.method !== "GET" && request.method !== "HEAD") return next();
    const files = siteFiles(FRONTEND, renderRuntimeConfig("dev", { apiBaseUrl: OWN_ORIGIN }, settings));
    const path = request.path === "/" ? "index.html" : request.path.slice(1);
    const file = files.find((each) => each.path === path);
    if (!file) return next();
    response
      .set("Cache-Control", "no-cache")
      .set("Content-Security-Policy", policyOf(files) ?? "")
      .type(extname(path))
      .send(file.content);
  };
}
