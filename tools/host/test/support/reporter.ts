/** Reporters and contexts that record. */
import type { Reporter, ToolchainContext } from "../../part.ts";

export interface Recorded {
  readonly lines: string[];
  readonly report: Reporter;
}

/** A reporter that remembers what it was told. */
export function recorder(): Recorded {
  const lines: string[] = [];
  const report: Reporter = {
    say: (line) => void lines.push(line),
    warn: (line) => void lines.push(`warning: ${line}`),
    step: async (title, run) => {
      lines.push(`step: ${title}`);
      return await run(() => {});
    },
  };
  return { lines, report };
}

/** A context on an empty machine: nothing on PATH, an empty cache, no downloads. */
export function emptyMachine(folder: string, more: Partial<ToolchainContext> = {}): ToolchainContext {
  return {
    cacheDir: `${folder}/cache`,
    install: true,
    report: recorder().report,
    env: { PATH: `${folder}/bin`, HOME: folder, OMNIAI_OFFLINE: "1" },
    ...more,
  };
}
