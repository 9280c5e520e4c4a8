/** Signs somebody in on a page. */
import type { Page } from "playwright-core";
import { PASSWORD } from "../../../service/test/support/auth.ts";

/** Fills in the form and sends it, without waiting for what becomes of it. */
export async function sendLogin(page: Page, name: string, password: string): Promise<void> {
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

export const isSignedIn = (page: Page, name: string): Promise<void> =>
  page.locator("#account-name", { hasText: name }).waitFor();

/** @throws Error with the page's own words where it says that it could not. */
export async function signIn(page: Page, name: string): Promise<void> {
  await sendLogin(page, name, PASSWORD);
  const error = page.locator("#login-error:not(:empty)");
  await page.locator("#account-name", { hasText: name }).or(error).first().waitFor();
  if (await error.isVisible()) throw new Error(`The page says: ${await error.innerText()}`);
}
