/**
 * To be imported before the servers of the tests: they register a hook of mocha, which is not there, to be removed after the last test.
 * They are removed with this process as well.
 */
(globalThis as { after?: unknown }).after ??= () => undefined;
