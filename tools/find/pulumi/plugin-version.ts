/**
 * The version of a Pulumi plugin. Not every plugin has a flag for it (docker, command and the language hosts have none), but
 * each answers when it is asked the way the CLI asks.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { run } from "../../host/run.ts";
import { findVersion } from "../../host/versions.ts";

const LONGEST_MS = 5_000;
/** A plugin wants the address of an engine, and calls it only when it has something to say. Nobody listens here. */
const NO_ENGINE = "127.0.0.1:1";

export type PluginKind = "ResourceProvider" | "LanguageRuntime";

/** @returns undefined where the program does not tell it */
export async function pluginVersion(
  location: string,
  kind: PluginKind,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const { code, stdout } = await run(location, ["-version"], { env, timeoutMs: 3_000 });
  return (code === 0 ? findVersion(stdout) : undefined) ?? (await askPlugin(location, kind, env));
}

async function askPlugin(
  location: string,
  kind: PluginKind,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const child = spawn(location, [NO_ENGINE], { env, stdio: ["ignore", "pipe", "ignore"] });
  child.on("error", () => undefined);
  const signal = AbortSignal.timeout(LONGEST_MS);
  try {
    // The first line is the port that it listens on.
    const [line] = (await once(createInterface(child.stdout), "line", { signal })) as [string];
    return findVersion(await ask(Number(line), kind));
  } catch {
    return undefined;
  } finally {
    child.kill("SIGKILL");
  }
}

async function ask(port: number, kind: PluginKind): Promise<string> {
  // Loaded only here, because few machines have plugins that have to be asked.
  const [{ Client, credentials }, { default: plugin }] = await Promise.all([
    import("@grpc/grpc-js"),
    import("@pulumi/pulumi/proto/plugin_pb.js"),
  ]);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        `/pulumirpc.${kind}/GetPluginInfo`,
        () => Buffer.alloc(0),
        (answer) => plugin.PluginInfo.deserializeBinary(answer).getVersion(),
        undefined,
        { deadline: Date.now() + LONGEST_MS },
        (error, version) => (error === null ? resolve(version ?? "") : reject(error)),
      );
    });
  } finally {
    client.close();
  }
}
