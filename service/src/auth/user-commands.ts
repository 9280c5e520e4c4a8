/** The commands of `npm run user`, without the process. */
import type { AuditEntry } from "./stores/audit.ts";
import {
  generatePassword,
  hashPassword,
  MAX_PASSWORD_LENGTH,
  MIN_PASSWORD_LENGTH,
} from "./credentials/passwords.ts";
import { DEFAULT_SCOPES, SCOPES, type Scope } from "./principal.ts";
import type { Revoked } from "./stores/revocations.ts";
import {
  normalName,
  userNamePattern,
  type CutOffUser,
  type User,
  type UserListing,
  type Users,
} from "./stores/users.ts";

/** A command of an operator. */
export interface UserCommand {
  readonly command: string;
  readonly name?: string | undefined;
  /** Comma-separated; the default scopes when left out. */
  readonly scopes?: string | undefined;
  /** A password is generated when this is left out. */
  readonly password?: string | undefined;
}

/** The answer of a command, as one line of JSON. */
export type UserAnswer =
  | { readonly ok: true; readonly user: User; readonly password?: string; readonly note?: string }
  | { readonly ok: true; readonly users: readonly UserListing[] };

/** The command was used wrongly, and nothing was changed. */
export class UserCommandError extends Error {
  readonly remedy: string;

  constructor(what: string, remedy: string) {
    super(what);
    this.remedy = remedy;
  }
}

export interface UserStores {
  readonly users: Users;
  /** Ends the logins on every replica. @throws when Redis cannot be told. */
  readonly revoke: (revoked: Revoked) => Promise<void>;
  readonly record: (entry: AuditEntry) => Promise<void>;
}

/** Carries out one command of `npm run user`. @throws UserCommandError, or the error of a store. */
export async function runUserCommand(asked: UserCommand, stores: UserStores): Promise<UserAnswer> {
  if (asked.command === "list") return { ok: true, users: await stores.users.list() };
  const name = checkedName(asked.name);
  switch (asked.command) {
    case "add":
      return add(name, asked, stores);
    case "passwd":
      return passwd(name, asked, stores);
    case "disable":
      return disable(name, stores);
    case "enable":
      return enable(name, stores);
    default:
      throw new UserCommandError(
        `There is no command "${asked.command}".`,
        "The commands are add, list, passwd, disable and enable.",
      );
  }
}

async function add(name: string, asked: UserCommand, { users, record }: UserStores): Promise<UserAnswer> {
  const wanted = checkedScopes(asked.scopes);
  const password = checkedPassword(name, asked.password);
  const user = await users.add(name, await hashPassword(password), wanted);
  if (!user) {
    throw new UserCommandError(
      `There is already a user ${name}.`,
      "Choose another name, or set a new password: npm run user -- passwd",
    );
  }
  await record(entryOf("user.add", user, { scopes: wanted }));
  return answerOf(user, asked, password);
}

async function passwd(name: string, asked: UserCommand, stores: UserStores): Promise<UserAnswer> {
  const password = checkedPassword(name, asked.password);
  const user = known(name, await stores.users.setPassword(name, await hashPassword(password)));
  await stores.revoke({ kind: "logins", userId: user.id, id: "" });
  await stores.record(entryOf("user.passwd", user));
  const notes = [
    ...(user.isDisabled ? ["The user is still disabled: npm run user -- enable"] : []),
    ...notesOf(user),
  ];
  return withNote(answerOf(user, asked, password), notes);
}

async function disable(name: string, stores: UserStores): Promise<UserAnswer> {
  const user = known(name, await stores.users.disable(name));
  await stores.revoke({ kind: "user", userId: user.id, id: "" });
  await stores.record(entryOf("user.disable", user));
  return withNote({ ok: true, user }, notesOf(user));
}

/** Nothing else tells the owner of a phone that it is quiet from now on. */
function notesOf({ devicesRemoved: count, isDisabled }: CutOffUser): string[] {
  if (count === 0) return [];
  const which = count === 1 ? "1 device gets" : `${count} devices get`;
  const when = isDisabled ? "once the user is enabled, " : "";
  return [`${which} no more alerts; ${when}each is turned on again on its own diagnostics page.`];
}

const withNote = (answer: Extract<UserAnswer, { user: User }>, notes: readonly string[]): UserAnswer =>
  notes.length === 0 ? answer : { ...answer, note: notes.join("\n") };

async function enable(name: string, stores: UserStores): Promise<UserAnswer> {
  const user = known(name, await stores.users.enable(name));
  await stores.record(entryOf("user.enable", user));
  return { ok: true, user };
}

const entryOf = (
  action: AuditEntry["action"],
  user: User,
  detail: AuditEntry["detail"] = {},
): AuditEntry => ({ action, outcome: "done", userId: user.id, detail: { ...detail, name: user.name } });

function answerOf(user: User, asked: UserCommand, password: string) {
  return asked.password === undefined ? { ok: true as const, user, password } : { ok: true as const, user };
}

function checkedName(given: string | undefined): string {
  const name = normalName(given ?? "");
  if (userNamePattern.test(name)) return name;
  throw new UserCommandError(
    given === undefined ? "Which user?" : `${JSON.stringify(given)} is not a user name.`,
    "A name has 3 to 64 letters, digits and any of . _ @ -, and begins and ends with a letter or digit.",
  );
}

function checkedScopes(given: string | undefined): readonly Scope[] {
  if (given === undefined) return DEFAULT_SCOPES;
  const asked = given.split(",").map((scope) => scope.trim());
  const wanted = SCOPES.filter((scope) => asked.includes(scope));
  if (asked.every((scope) => wanted.some((one) => one === scope))) return wanted;
  throw new UserCommandError(
    `${JSON.stringify(given)} is not a list of scopes.`,
    `Name some of ${SCOPES.join(", ")}, separated by commas.`,
  );
}

function checkedPassword(name: string, given: string | undefined): string {
  if (given === undefined) return generatePassword();
  const isLong = given.length >= MIN_PASSWORD_LENGTH && given.length <= MAX_PASSWORD_LENGTH;
  if (isLong && new Set(given).size >= 5 && !given.toLowerCase().includes(name)) return given;
  throw new UserCommandError(
    "The password is too easy to guess, or too long.",
    `It has ${MIN_PASSWORD_LENGTH} to ${MAX_PASSWORD_LENGTH} characters, 5 of them different, and does not contain the user's name. Leave it out to have one generated.`,
  );
}

function known<T extends User>(name: string, user: T | undefined): T {
  if (user) return user;
  throw new UserCommandError(`There is no user ${name}.`, "List the users: npm run user -- list");
}
