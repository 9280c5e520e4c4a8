/** A time for what may never answer. */

/**
 * @param asked goes on after its time; nobody waits for it then.
 * @param late what comes in its place, or what it throws. Of `asked` an error in time is thrown.
 */
export async function within<T, L>(milliseconds: number, asked: Promise<T>, late: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    return await Promise.race([asked, over.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}
