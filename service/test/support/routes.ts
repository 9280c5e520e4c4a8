/** Lists the routes of an Express app. */
import express, { type Express } from "express";

/** The data that Express keeps for a route and a router (in the package router, lib/route.js and lib/layer.js). */
interface Layer {
  readonly method?: string;
  readonly route?: { readonly path: string; readonly stack: readonly Layer[] };
  readonly handle?: unknown;
}
interface RouterLike {
  readonly stack: readonly Layer[];
}

const isRouter = (value: unknown): value is RouterLike =>
  typeof value === "function" && Array.isArray((value as unknown as { stack?: unknown }).stack);

/**
 * Lists every route of an app in the form `GET /api/diag`. Express does not keep the path where a router was mounted,
 * so the mounts are recorded while the app is created.
 */
export function routesOf(make: () => Express): string[] {
  const mounts = new Map<unknown, string>();
  const prototype = express.Router as unknown as { prototype: { use: (...args: unknown[]) => unknown } };
  const { use } = prototype.prototype;
  prototype.prototype.use = function (this: unknown, ...args: unknown[]): unknown {
    const path = typeof args[0] === "string" ? args[0] : "";
    for (const handler of args.flat(2)) if (isRouter(handler)) mounts.set(handler, path.replace(/\/$/, ""));
    return use.apply(this, args);
  };
  try {
    const app = make() as unknown as { router: RouterLike };
    return walk(app.router, "", mounts).sort();
  } finally {
    prototype.prototype.use = use;
  }
}

function walk(router: RouterLike, at: string, mounts: ReadonlyMap<unknown, string>): string[] {
  return router.stack.flatMap(({ route, handle }) => {
    if (route) {
      const path = `${at}${route.path === "/" && at !== "" ? "" : route.path}`;
      const methods = new Set(route.stack.flatMap(({ method }) => (method ? [method.toUpperCase()] : [])));
      return [...methods].map((method) => `${method} ${path}`);
    }
    if (!isRouter(handle)) return [];
    const mount = mounts.get(handle);
    if (mount === undefined) throw new Error("a router whose mount was not seen");
    return walk(handle, at + mount, mounts);
  });
}
