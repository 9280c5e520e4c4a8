/** Notices changes of the sources for `npm run dev`. */
import { watch, type FSWatcher } from "node:fs";

/** An editor writes a file in several steps: they count as one change, ms. */
const quietMs = 150;

/** Calls `onChange` after something that matters to a running service changed below `folders`. @returns what ends it. */
export function watchSources(folders: readonly string[], onChange: (file: string) => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const watchers: FSWatcher[] = folders.map((folder) =>
    watch(folder, { recursive: true }, (_event, file) => {
      if (!file || !/\.(ts|mjs|sql)$/.test(file)) return;
      clearTimeout(timer);
      timer = setTimeout(() => onChange(file), quietMs);
    }),
  );
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}
