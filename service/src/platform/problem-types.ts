/**
 * The catalogue of all problems (RFC 9457) that a client may be answered with: what its `type` ends with, its title and
 * status, and when it comes. Code makes problems of these types only, and openapi.json lists them.
 */
export interface ProblemType {
  readonly status: number;
  /** A few words for people. */
  readonly title: string;
  /** One sentence for whoever writes a client. */
  readonly when: string;
}

/** What stands before a type's name in `type`. */
export const PROBLEM_URN = "urn:omniai:problem:";

/** What the service answers. */
export const problemTypes = {
  "auth-off": {
    status: 404,
    title: "Not in this mode",
    when: "This stack's authentication mode does not have the path.",
  },
  "auth-unavailable": {
    status: 503,
    title: "Authentication unavailable",
    when: "PostgreSQL or Redis cannot be asked who the client is. It says nothing about the credential.",
  },
  "bad-request": {
    status: 400,
    title: "Bad Request",
    when: "The request cannot be parsed.",
  },
  "body-too-large": {
    status: 413,
    title: "Payload Too Large",
    when: "The body is longer than allowed.",
  },
  "body-too-slow": {
    status: 408,
    title: "Request Timeout",
    when: "The body did not come in its time.",
  },
  "csrf-token-invalid": {
    status: 403,
    title: "CSRF token invalid",
    when: "A request with a session's cookie has no X-CSRF-Token, or one of another session.",
  },
  "device-unknown": {
    status: 404,
    title: "Device unknown",
    when: "The user has no such device, or nobody has.",
  },
  "event-log-unavailable": {
    status: 503,
    title: "Event log unavailable",
    when: "An event could not be stored for certain, or the events cannot be read.",
  },
  "event-too-large": {
    status: 413,
    title: "Event too large",
    when: "The event's data is longer than allowed.",
  },
  "idempotency-key-reused": {
    status: 422,
    title: "Idempotency key reused",
    when: "The Idempotency-Key was used before, for another event.",
  },
  "insufficient-scope": {
    status: 403,
    title: "Insufficient scope",
    when: "The credential is good, but lacks the scope that this needs.",
  },
  internal: {
    status: 500,
    title: "Internal Server Error",
    when: "Something went wrong that nobody foresaw. The log has it under the request id.",
  },
  "invalid-event": {
    status: 400,
    title: "Invalid event",
    when: "The event does not fit its schema.",
  },
  "invalid-idempotency-key": {
    status: 400,
    title: "Invalid idempotency key",
    when: "The Idempotency-Key has a wrong length or wrong characters.",
  },
  "invalid-json": {
    status: 400,
    title: "Invalid JSON",
    when: "The body is not JSON in UTF-8.",
  },
  "invalid-query": {
    status: 400,
    title: "Invalid query",
    when: "A parameter of the query does not fit its schema.",
  },
  "invalid-refresh-token": {
    status: 401,
    title: "Invalid refresh token",
    when: "The refresh token is unknown, expired or revoked, or was used more than 30 seconds ago.",
  },
  "invalid-report": {
    status: 400,
    title: "Invalid report",
    when: "The report does not fit its schema.",
  },
  "invalid-request": {
    status: 400,
    title: "Invalid request",
    when: "The body or the query does not fit its schema.",
  },
  "invalid-token": {
    status: 401,
    title: "Invalid token",
    when: "The bearer token is unknown, expired or revoked.",
  },
  "invalid-topics": {
    status: 400,
    title: "Invalid topics",
    when: "`topics` is not a list of topic names and prefixes.",
  },
  "login-busy": {
    status: 503,
    title: "Login busy",
    when: "Too many passwords are being checked at the moment.",
  },
  "login-kind-off": {
    status: 400,
    title: "Login kind off",
    when: "This stack's authentication mode does not have logins of that kind.",
  },
  "login-needed": {
    status: 403,
    title: "Login needed",
    when: "An API token was used for what only a login may do.",
  },
  "method-not-allowed": {
    status: 405,
    title: "Method Not Allowed",
    when: "The path exists, but not with this method.",
  },
  "not-found": {
    status: 404,
    title: "Not Found",
    when: "There is nothing at this path.",
  },
  "origin-not-allowed": {
    status: 403,
    title: "Origin not allowed",
    when: "The Origin is not one of the API's pages.",
  },
  "origin-unknown": {
    status: 403,
    title: "Origin unknown",
    when: "The request has neither Origin nor Sec-Fetch-Site: same-origin, and needs one of them.",
  },
  "push-key-changed": {
    status: 409,
    title: "Push key changed",
    when: "The browser subscribed with another key than the service has now.",
  },
  "push-off": {
    status: 404,
    title: "No web push",
    when: "The stack has no web push.",
  },
  "push-unavailable": {
    status: 503,
    title: "Push unavailable",
    when: "The devices cannot be asked for, or some have still to get the message.",
  },
  "rate-limited": {
    status: 429,
    title: "Rate limited",
    when: "The client has used up one of its limits; RateLimit says which.",
  },
  "reports-unavailable": {
    status: 503,
    title: "Reports unavailable",
    when: "The report could not be stored for certain.",
  },
  "token-unknown": {
    status: 404,
    title: "Token unknown",
    when: "The user has no such API token.",
  },
  "too-many-devices": {
    status: 409,
    title: "Too many devices",
    when: "The user, or all users together, have as many devices as allowed.",
  },
  "too-many-reports": {
    status: 429,
    title: "Too many reports",
    when: "This replica takes no more reports at the moment.",
  },
  "too-much-at-once": {
    status: 429,
    title: "Too much at once",
    when: "The bodies that the client's address has under way are too long together.",
  },
  "too-much-under-way": {
    status: 503,
    title: "Too much under way",
    when: "The bodies of all requests that a replica has under way are too long together.",
  },
  "too-many-tokens": {
    status: 409,
    title: "Too many tokens",
    when: "The user has as many API tokens as allowed.",
  },
  "topic-not-allowed": {
    status: 403,
    title: "Topic not allowed",
    when: "The topic is not for this client.",
  },
  unauthenticated: {
    status: 401,
    title: "Unauthenticated",
    when: "This needs a login, and the request has none.",
  },
  "unsupported-charset": {
    status: 415,
    title: "Unsupported charset",
    when: "The body's charset is not UTF-8.",
  },
  "unsupported-encoding": {
    status: 415,
    title: "Unsupported encoding",
    when: "The body has a Content-Encoding.",
  },
  "unsupported-media-type": {
    status: 415,
    title: "Unsupported Media Type",
    when: "The body is not application/json.",
  },
  "wrong-credentials": {
    status: 401,
    title: "Wrong credentials",
    when: "There is no such user with this password, or the user is disabled.",
  },
} as const satisfies Readonly<Record<string, ProblemType>>;

export type ProblemSlug = keyof typeof problemTypes;

/** What the edge answers in the service's place, beside some of the types above. Its client cannot tell them apart. */
export const edgeProblemTypes = {
  forbidden: { status: 403, title: "Forbidden", when: "The edge does not allow the request." },
  "headers-too-large": {
    status: 431,
    title: "Request Header Fields Too Large",
    when: "The headers are longer than allowed.",
  },
  maintenance: {
    status: 503,
    title: "Service Unavailable",
    when: "The operator has switched the API off for a while.",
  },
  misdirected: {
    status: 421,
    title: "Misdirected Request",
    when: "The edge does not serve this host name.",
  },
  "not-implemented": { status: 501, title: "Not Implemented", when: "The edge does not know the method." },
  timeout: { status: 408, title: "Request Timeout", when: "The request took too long to arrive." },
  "too-many-requests": {
    status: 429,
    title: "Too Many Requests",
    when: "One address sends too many requests at once, or too many a second.",
  },
  unavailable: { status: 503, title: "Service Unavailable", when: "No replica can answer." },
  "uri-too-long": { status: 414, title: "URI Too Long", when: "The path is longer than allowed." },
} as const satisfies Readonly<Record<string, ProblemType>>;

/** Every `type` that a client may meet, with its entry. */
export const allProblemTypes: Readonly<Record<string, ProblemType>> = {
  ...problemTypes,
  ...edgeProblemTypes,
};
