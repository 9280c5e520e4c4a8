/** The replica of `npm run dev` as a child process. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { readySchema, type Ready } from "./ready.ts";

const PROGRAM = fileURLToPath(new URL("./replica.ts", import.meta.url));

/** A process of its own, so that a changed source gets a new process. */
export class Child {
  /** Undefined when the replica ended before it listened. */
  readonly ready: Promise<Ready | undefined>;
  /** Its exit code; 128 when a signal ended it. */
  readonly ended: Promise<number>;
  readonly #process: ChildProcess;

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#process = spawn(process.execPath, [PROGRAM, folder], {
      env,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.ended = once(this.#process, "exit").then(([code]) => (typeof code === "number" ? code : 128));
    const told = once(this.#process, "message").then(([message]) => readySchema.parse(message));
    this.ready = Promise.race([told, this.ended.then(() => undefined)]);
  }

  /** Lets it stop in order, and resolves when it has ended. */
  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.ended;
  }
}
