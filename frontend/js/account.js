/** Signing in and out, on every page that has the form. */
import { at, onSubmit, write } from "./dom.js";
import { recall, remember } from "./storage.js";
import { ApiError } from "./transport/connection-manager.js";

/** Whether somebody was signed in at the last visit, so that the form does not appear for a moment. It names nobody. */
const WAS_SIGNED_IN = "omniai signed in";

/** @type {Readonly<Record<string, string>>} */
const NOTES = {
  token:
    "This stack keeps a login in the open tabs alone: when the last one is closed or loaded anew, sign in again.",
};

/**
 * Shows the form at once where the config says that it will be needed: whoever looks at the page in an outage should know.
 * @param {import("./transport/session.js").Session} session
 */
export function connectAccount(session) {
  at("login").hidden = !session.isNeeded || recall("localStorage", WAS_SIGNED_IN) === "yes";
  showNote(session.state.mode);
  onSubmit("login-form", async ({ username = "", password = "" }) => {
    showError(undefined);
    try {
      await session.login(username, password);
      clearForm();
      if (session.isNeeded) showError("Signed in, but this browser does not keep the service's cookie.");
    } catch (error) {
      showError(error instanceof ApiError ? error.message : "The service cannot be reached.");
    }
    showAccount(session);
  });
  const button = /** @type {HTMLButtonElement} */ (at("logout"));
  button.addEventListener("click", () => {
    button.disabled = true;
    void signOut(session).finally(() => (button.disabled = false));
  });
}

/**
 * Who believes to be signed out leaves a shared computer, so a failure has to be seen.
 * @param {import("./transport/session.js").Session} session
 */
async function signOut(session) {
  showLogoutError(undefined);
  try {
    await session.logout();
  } catch (error) {
    const reason = error instanceof ApiError ? error.message : "The service cannot be reached.";
    showLogoutError(`You are still signed in. ${reason} Try again.`);
  }
}

/**
 * What one user may see is not for the next one at this computer.
 * @param {import("./transport/connection-manager.js").ConnectionManager} connection
 * @param {() => void} forget takes away what was shown.
 */
export function onUserGone(connection, forget) {
  let user = connection.session.state.id;
  connection.on("session", ({ id }) => {
    if (user !== undefined && user !== id) forget();
    user = id;
  });
}

/** @param {import("./transport/session.js").Session} session */
export function showAccount(session) {
  at("login").hidden = !session.isNeeded;
  remember("localStorage", WAS_SIGNED_IN, session.state.authenticated ? "yes" : "no");
  showNote(session.state.mode);
  at("account").hidden = !session.state.authenticated;
  write("account-name", session.state.name ?? "");
  // Also where it was not this form that did it: no password waits in it for whoever comes after this user.
  if (session.state.authenticated) clearForm();
  // Another tab may have done it.
  if (!session.state.authenticated) showLogoutError(undefined);
}

function clearForm() {
  /** @type {HTMLFormElement} */ (at("login-form")).reset();
  showError(undefined);
}

/** @param {string} mode */
const showNote = (mode) => show("login-note", NOTES[mode]);

/** @param {string | undefined} text */
const showError = (text) => show("login-error", text);

/** @param {string | undefined} text */
const showLogoutError = (text) => show("logout-error", text);

/**
 * @param {string} id
 * @param {string | undefined} text undefined: nothing to say.
 */
function show(id, text) {
  write(id, text ?? "");
  at(id).hidden = text === undefined;
}
