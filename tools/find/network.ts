/** Whether the official downloads can be reached. */

/** The official Pulumi CLI is downloaded from here, and so are its plugins. */
const PULUMI_DOWNLOADS = "https://get.pulumi.com/install.sh";

const PATIENCE = 4_000;
let answer: Promise<boolean> | undefined;

/** Whether downloads work from here. Most closed networks say no at once; one that hangs is given up after 4 s. */
export function canDownload(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  // For users who want everything built here, and for tests.
  if (env.OMNIAI_OFFLINE) return Promise.resolve(false);
  return (answer ??= fetch(PULUMI_DOWNLOADS, { method: "HEAD", signal: AbortSignal.timeout(PATIENCE) }).then(
    (response) => response.ok,
    () => false,
  ));
}
