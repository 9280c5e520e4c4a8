/**
 * The public view is another page in the same HTML: which one it is has to be known before anything is painted, or what was painted
 * would move.
 */
if (/[?&]public\b/.test(location.search)) document.documentElement.dataset["view"] = "public";

/**
 * A page of which a file did not arrive (the network changed, a proxy refused) would stay dead: it is loaded anew, sooner at first
 * than later, and only when its server has it. Without a network the browser would put its own error page there, which tries nothing
 * again. This file is no module, so that it listens before any other is asked for.
 */
(() => {
  const KEY = "omniai reloads";
  const FIRST_MS = 1000;
  const LONGEST_MS = 60_000;
  const UNCOUNTED = 5;
  /** A server that takes longer to answer, in ms, is as good as none. */
  const PATIENCE_MS = 10_000;
  let isWaiting = false;

  const countOne = () => {
    try {
      const count = Number(sessionStorage.getItem(KEY) ?? 0);
      sessionStorage.setItem(KEY, String(count + 1));
      return count;
    } catch {
      // Without a storage nobody knows how often it was.
      return UNCOUNTED;
    }
  };

  const isThere = async () => {
    try {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      return (await fetch(location.href, { method: "HEAD", cache: "no-store", signal })).ok;
    } catch {
      return false;
    }
  };

  const reloadLater = () =>
    setTimeout(
      async () => {
        if (await isThere()) location.reload();
        else reloadLater();
      },
      Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(countOne(), 10)) * (0.5 + Math.random()),
    );

  addEventListener(
    "error",
    ({ target }) => {
      // Charts, which come later, say themselves that they are not there.
      const isFile = target instanceof HTMLScriptElement || target instanceof HTMLLinkElement;
      if (!isFile || !("boot" in target.dataset) || isWaiting) return;
      isWaiting = true;
      reloadLater();
    },
    true,
  );
  addEventListener("load", () => {
    if (isWaiting) return;
    try {
      sessionStorage.removeItem(KEY);
    } catch {
      // Then nothing was counted either.
    }
  });
})();
