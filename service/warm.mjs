// Loads what a replica and a migration load and runs none of it, so that Node keeps what V8 compiled (NODE_COMPILE_CACHE).
// Run while the image is built, with the flags of the process that it is for: they are part of the cache's name.
await import("./dist/process.js");
await import("./dist/migrate/run.js");
