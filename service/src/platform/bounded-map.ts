/** Remembers a value as the newest; the oldest one goes where there would be more than `most`. */
export function remember<T>(known: Map<string, T>, most: number, key: string, value: T): void {
  known.delete(key);
  const [oldest] = known.keys();
  if (known.size >= most && oldest !== undefined) known.delete(oldest);
  known.set(key, value);
}
