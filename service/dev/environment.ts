/** What the replica of `npm run dev` gets of a person's environment: all but what is meant for other parts of the project. */

/** Read by tools/, ops/ and dev/main.ts. The service refuses names that it does not know, and these are no mistakes. */
export const TOOL_NAMES: readonly string[] = [
  "OMNIAI_BACKEND_BUILD",
  "OMNIAI_CACHE",
  "OMNIAI_CHROMIUM",
  "OMNIAI_DEBUG",
  "OMNIAI_DEV_FOLDER",
  "OMNIAI_HEADLESS_SHELL",
  "OMNIAI_OFFLINE",
];

/** What tests read, what a person may set for the copies off-site, and the backup room's own settings. */
const otherName = /^OMNIAI_(TEST|OFFSITE|ROOM)_/;

export const isToolName = (name: string): boolean => TOOL_NAMES.includes(name) || otherName.test(name);

/** Pure: what is left stays, so that a typing error stops the replica here as it does everywhere else. */
export const replicaEnvironment = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !isToolName(name)));
