/** Pictures of a stack's dashboards, as an operator's browser shows them. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium, type Page } from "playwright-core";
import { METRICS_USER } from "../../infra/components/monitoring/plan.ts";
import type { TestStack } from "../../test/support/stack.ts";

/** Which pages are shown in the docs, and in which colours. */
const SHOWN: readonly { readonly page: string; readonly theme: "light" | "dark" }[] = [
  { page: "Overview", theme: "light" },
  { page: "Overview", theme: "dark" },
  ...["Events", "Database", "Cache", "Edge", "Backups", "Host", "Monitoring"].map(
    (page) => ({ page, theme: "light" }) as const,
  ),
];

/** Two rows of graphs with what stands below them. */
const HEIGHT = 1900;

/** A graph is asked for when it comes into sight. */
async function showAll(page: Page): Promise<void> {
  const panels = page.locator(".vm-predefined-panel");
  for (let n = 0; n < (await panels.count()); n += 1) {
    await panels.nth(n).scrollIntoViewIfNeeded();
    await sleep(300);
  }
  await page.waitForLoadState("networkidle");
  await page.evaluate("scrollTo(0, 0)");
  await sleep(500);
}

/** @param folder where they are put, as PAGE-THEME.png. @param minutes of the past that the graphs show. */
export async function takePictures(stack: TestStack, folder: string, minutes: number): Promise<void> {
  const shown = stack.start("dashboards", "--port", "0");
  const browser = await chromium.launch({
    executablePath: process.env["OMNIAI_CHROMIUM"],
    // Chromium cannot use its sandbox as root. These pages are our own, so they need none.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
  try {
    await shown.until(/password \S+/);
    const url = /http:\S+/.exec(shown.output())?.[0] ?? "";
    const password = /password (\S+)/.exec(shown.output())?.[1] ?? "";
    for (const { page: name, theme } of SHOWN) {
      const context = await browser.newContext({
        httpCredentials: { username: METRICS_USER, password },
        viewport: { width: 1440, height: HEIGHT },
        colorScheme: theme,
      });
      const page = await context.newPage();
      await page.addInitScript(`localStorage.setItem("VMUI:THEME", '{"value":"${theme}"}')`);
      await page.goto(`${url}&g0.range_input=${minutes}m&g0.relative_time=none`);
      await page.locator(".vm-predefined-panels-tabs__tab", { hasText: name }).first().click();
      await showAll(page);
      await page.screenshot({ path: join(folder, `${name.toLowerCase()}-${theme}.png`) });
      await context.close();
    }
  } finally {
    await browser.close();
    shown.kill("SIGINT");
    await shown.done;
  }
}
