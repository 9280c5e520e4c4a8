/** The last net before a text is kept or leaves the browser: what looks like a credential is taken out, however it came in. */

/** No text needs to be longer, and longer ones would take their time here. */
const MOST_CHARACTERS = 100_000;

/** What holds a credential, as parameters, cookies and members of JSON are called. */
const HOLDER = String.raw`[\w-]*(?:token|ticket|secret|passw(?:or)?d|passphrase|pwd|csrf|api[-_]?key|credential|authorization|session|sid)s?`;
/** Before a colon many of these are words of a sentence, or end a path. */
const HEADER = String.raw`[\w-]*(?:secret|passw(?:or)?d|passphrase|csrf-?token|(?:access|refresh|id)[-_]?token|api[-_]?key)`;

/** @type {readonly [pattern: RegExp, instead: string][]} */
const PATTERNS = [
  [/\b((?:set-)?cookie|authorization):\s*[^\r\n]+/gi, "$1: [removed]"],
  [/\bBearer\s+\S+/gi, "Bearer [removed]"],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, "[removed]"],
  [/\/\/[^/\s:@]+:[^/\s@]+@/g, "//[removed]@"],
  [/([?&#](?:key|code)=)[^&\s]+/gi, "$1[removed]"],
  // "refreshToken":"…", also within a text of JSON, and where its end was cut off.
  [
    new RegExp(String.raw`(\\?["'])(${HOLDER})\1\s*:\s*\\?["'](?:\\.|[^"'\\\r\n])*`, "gi"),
    "$1$2$1:$1[removed]",
  ],
  [
    new RegExp(
      String.raw`(?<![\w-])(${HOLDER})(=|%3D)(?!\[removed\])("[^"\r\n]*"?|'[^'\r\n]*'?|[^&\s;,"')\]}]+)`,
      "gi",
    ),
    "$1$2[removed]",
  ],
  [new RegExp(String.raw`(?<![\w/-])(${HEADER}):\s*("[^"\r\n]*"?|[^\s,;"']+)`, "gi"), "$1: [removed]"],
];

/**
 * @param {string} text
 * @param {Iterable<string>} [userNames]
 */
export function withoutSecrets(text, userNames = []) {
  const known = PATTERNS.reduce(
    (rest, [pattern, instead]) => rest.replace(pattern, instead),
    text.slice(0, MOST_CHARACTERS),
  );
  // The longest first: one may begin with another one.
  const names = [...userNames].sort((left, right) => right.length - left.length);
  return names.reduce((rest, name) => rest.replaceAll(name, "[user]"), known);
}

/** Knows the names of all users whom this page has seen: a text of before may have that of one who has left. */
export class Redactor {
  /** @type {Set<string>} */
  #names = new Set();

  /** @param {string | undefined} userName */
  meet(userName) {
    if (userName) this.#names.add(userName);
  }

  /** @param {string} text */
  redact = (text) => withoutSecrets(text, this.#names);
}
