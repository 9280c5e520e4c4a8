/** Where the official Pulumi CLI is downloaded from; its plugins come from there or from where it points to. */
const pulumiDownloads = "https://get.pulumi.com/install.sh";

const patience = 4_000;
let answer: Promise<boolean> | undefined;

/** Whether downloads can work from here. A closed network mostly says no at once; a hanging one is not waited for. */
export function canDownload(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  // For those who want everything built here, and for tests.
  if (env.OMNIAI_OFFLINE) return Promise.resolve(false);
  return (answer ??= fetch(pulumiDownloads, { method: "HEAD", signal: AbortSignal.timeout(patience) }).then(
    (response) => response.ok,
    () => false,
  ));
}
