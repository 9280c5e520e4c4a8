/**
 * Signals for a child that stands in for this process. Plain JavaScript without packages, because tools/run.mjs needs it
 * before node_modules exist.
 */
/**
 * Passes signals on to the child. Ctrl-C on a terminal reaches the whole process group, so the child gets it anyway
 * and it is not sent a second time. Without a terminal a SIGINT was sent to this process alone.
 * @param {import("node:child_process").ChildProcess} child
 * @returns {() => void} what ends it
 */
export function forwardSignals(child) {
  const onTerminal = Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY);
  const handlers = new Map();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    const fromTerminal = onTerminal && signal !== "SIGTERM";
    handlers.set(signal, () => {
      if (!fromTerminal) child.kill(signal);
    });
  }
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}
