/**
 * Loads what a replica and a migration load, and runs none of it, so that Node keeps what V8 compiled
 * (NODE_COMPILE_CACHE). The image's build runs it with the flags of the process that it is for, because they are part of
 * the cache's name.
 */
await import("./dist/process.js");
await import("./dist/migrate/run.js");
