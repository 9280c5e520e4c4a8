/** Stops the engine, but only where it was started here. */
import { setTimeout as sleep } from "node:timers/promises";
import { ToolchainError, type ToolchainContext } from "../../host/part.ts";
import { systemPath } from "../../host/path.mjs";
import { indent, run } from "../../host/run.ts";
import { stopCommand } from "./init-system.ts";
import { recordFileIn } from "./place.ts";
import { factsOf, isSameProcess, readRecord, removeRecord } from "./record.ts";

export interface StopResult {
  readonly stopped: boolean;
  /** What was done, or why nothing was done. One sentence. */
  readonly message: string;
}

/** The engine waits for each container's stop grace, so this may take minutes. */
const STOP_MS = 180_000;

/**
 * Stops the engine that the record names, if that process still runs. Containers with a restart policy start again with
 * the next engine.
 */
export async function stopEngine(
  context: ToolchainContext,
  recordFile = recordFileIn(context.cacheDir),
): Promise<StopResult> {
  const record = readRecord(recordFile);
  if (record === undefined) {
    return { stopped: false, message: "The Docker engine was not started here, so it keeps running." };
  }
  if (!isSameProcess(record, factsOf(record.pid))) {
    removeRecord(recordFile);
    return {
      stopped: false,
      message: `The Docker engine that was started here (pid ${record.pid}) does not run any more.`,
    };
  }
  await context.report.step(
    `Stopping the Docker engine (pid ${record.pid}) and its containers`,
    async (progress) => {
      if (record.starter === "direct") {
        process.kill(record.pid, "SIGTERM");
      } else {
        const [program, ...args] = stopCommand(record.starter);
        const result = await run(program, args, {
          env: { ...context.env, PATH: systemPath(context.env) },
          onLine: progress,
        });
        if (result.code !== 0) {
          throw new ToolchainError(
            `The Docker engine was not stopped with "${[program, ...args].join(" ")}":\n${indent(result.tail)}`,
            "Correct what these lines name and run this again.",
          );
        }
      }
      const end = Date.now() + STOP_MS;
      while (isSameProcess(record, factsOf(record.pid))) {
        if (Date.now() > end) {
          throw new ToolchainError(
            `The Docker engine (pid ${record.pid}) was asked to stop, but still runs after ${STOP_MS / 1000} s.`,
            `Find the container that does not end (docker ps; log: ${record.log ?? "the system's"}), then run this again.`,
          );
        }
        progress("waiting for its containers to end");
        await sleep(200);
      }
    },
  );
  removeRecord(recordFile);
  return { stopped: true, message: `The Docker engine (pid ${record.pid}) is stopped.` };
}
