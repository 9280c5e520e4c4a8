/** Signing in and out, on every page that has the form. */
import { at, onSubmit, write } from "./dom.js";
import { ApiError } from "./transport/connection-manager.js";

/** @param {import("./transport/session.js").Session} session */
export function connectAccount(session) {
  onSubmit("login-form", async ({ username = "", password = "" }, form) => {
    showError(undefined);
    try {
      await session.login(username, password);
      form.reset();
      if (session.isNeeded) showError("Signed in, but this browser does not keep the service's cookie.");
    } catch (error) {
      showError(error instanceof ApiError ? error.message : "The service cannot be reached.");
    }
    showAccount(session);
  });
  at("logout").addEventListener("click", () => void session.logout());
}

/** @param {import("./transport/session.js").Session} session */
export function showAccount(session) {
  at("login").hidden = !session.isNeeded;
  at("account").hidden = !session.state.authenticated;
  write("account-name", session.state.name ?? "");
}

/** @param {string | undefined} text */
function showError(text) {
  write("login-error", text ?? "");
  at("login-error").hidden = text === undefined;
}
