/**
 * What runs at Cloudflare every two minutes: it looks at the stack as visitors see it and at the age of its backups, and
 * tells a service outside (healthchecks.io, or another with its ping addresses) that all is well, or what is not. It
 * keeps nothing: whether somebody was told already, and whether this runs at all, is for that service to know.
 *
 * env: ADDRESS, https://host of the stack; TELL, the ping address; TOKEN, an API token with the scope diag:read, or
 * empty: then backups are not looked at; BACKUP_HOURS, how old the newest verified backup of each kind may be.
 */
/* global fetch, AbortSignal -- the runtime has them */

/** What fails for a moment passes within them: a deploy replaces the edge in seconds. */
const TRIES = 3;
const PAUSE_MS = 15_000;
const TIMEOUT_MS = 10_000;
/** No message is longer. */
const LONGEST = 2000;

/** @returns its answer's body. @throws Error that says what came instead of an answer */
async function ask(address, path, token) {
  const response = await fetch(new URL(path, address), {
    headers: token ? { authorization: `Bearer ${token}` } : {},
    signal: AbortSignal.timeout(TIMEOUT_MS),
    redirect: "manual",
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${path} answers ${response.status}`);
  return text;
}

/** Pure: what is wrong with the backups, by what /api/diag says of them to who may see them. */
export function backupProblems(backups, hours) {
  if (backups === undefined) return ["the token may not see the backups: it needs the scope diag:read"];
  if (backups.status === "absent") return [];
  if (backups.status === "unknown") return ["the backup room does not say how the backups are"];
  const old = (backups.newest ?? [])
    .filter(({ ageSeconds }) => !(ageSeconds <= hours * 3600))
    .map(
      ({ kind, ageSeconds }) =>
        `the newest verified backup (${kind}) is ${Math.round(ageSeconds / 3600)} h old`,
    );
  const none = (backups.newest ?? []).length === 0 ? ["there is no verified backup"] : [];
  return [...none, ...old, ...(backups.problems ?? [])];
}

/** One look. @returns what is wrong, in words; empty: nothing */
async function look({ ADDRESS, TOKEN, BACKUP_HOURS }) {
  try {
    await ask(ADDRESS, "/readyz");
    if (!TOKEN) return [];
    return backupProblems(JSON.parse(await ask(ADDRESS, "/api/diag", TOKEN)).backups, Number(BACKUP_HOURS));
  } catch (error) {
    return [`${ADDRESS}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** The ping address for what is wrong, as healthchecks.io has it: /fail after the path. */
function failed(address) {
  const url = new URL(address);
  url.pathname = `${url.pathname.replace(/\/$/, "")}/fail`;
  return url;
}

/** @throws Error when nobody could be told: it shows in the worker's log, and the missing ping is noticed outside */
export async function watch(env, pauseMs = PAUSE_MS) {
  let problems = await look(env);
  for (let tries = 1; problems.length > 0 && tries < TRIES; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    problems = await look(env);
  }
  const response = await fetch(problems.length === 0 ? env.TELL : failed(env.TELL), {
    method: "POST",
    body: problems.join("\n").slice(0, LONGEST),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`the ping address answers ${response.status}`);
  return problems;
}

export default {
  async scheduled(_event, env) {
    await watch(env);
  },
};
