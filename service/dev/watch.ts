/** Notices changes of the sources for `npm run dev`. */
import { watch, type FSWatcher } from "node:fs";

/** An editor writes a file in several steps. Those within this time, in ms, count as one change. */
const QUIET_MS = 150;

/** Calls `onChange` after a source of the service changed below `folders`. @returns a function that stops it */
export function watchSources(folders: readonly string[], onChange: (file: string) => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const watchers: FSWatcher[] = folders.map((folder) =>
    watch(folder, { recursive: true }, (_event, file) => {
      if (!file || !/\.(ts|mjs|sql)$/.test(file)) return;
      clearTimeout(timer);
      timer = setTimeout(() => onChange(file), QUIET_MS);
    }),
  );
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}
