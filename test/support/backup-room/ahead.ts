/** Suites that need a world each: while one runs its tests, the world of the next one comes up. */
import type { World } from "./world.ts";

interface Planned {
  readonly make: () => Promise<World>;
  readonly remove: (world: World) => Promise<unknown>;
  made?: Promise<World>;
  taken: boolean;
}

/** In the order in which they are described, which is the order in which they run. */
const PLANNED: Planned[] = [];

function begin(one: Planned): Promise<World> {
  one.made ??= one.make();
  // Whoever waits for it is told; until then nobody listens.
  one.made.catch(() => undefined);
  return one.made;
}

/**
 * To be called where a suite is described.
 * @param make brings the world up, to the point at which the suite's tests begin. @param remove what the suite's `after`
 * would do, for a suite that was left out. @returns what the suite's `before` awaits
 */
export function worldAhead(
  make: () => Promise<World>,
  remove: Planned["remove"] = (world) => world.remove(),
): () => Promise<World> {
  const own: Planned = { make, remove, taken: false };
  PLANNED.push(own);
  return async () => {
    own.taken = true;
    const world = await begin(own);
    const next = PLANNED[PLANNED.indexOf(own) + 1];
    if (next !== undefined) void begin(next);
    return world;
  };
}

// What comes before the first of them needs little of the machine.
before(() => {
  const [first] = PLANNED;
  if (first !== undefined) void begin(first);
});

// A suite that was left out does not remove its world itself.
after(async () => {
  for (const { made, remove, taken } of PLANNED) if (!taken) await made?.then(remove).catch(() => undefined);
});
