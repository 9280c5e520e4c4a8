/** Keeps the database and the replica of `npm run dev` running. */
import { join } from "node:path";
import type { PostgresConfig } from "../src/platform/env/config.ts";
import { reasonOf } from "../src/platform/deadline.ts";
import { Child } from "./child.ts";
import { PostgresServer } from "./postgres-server.ts";
import type { Ready } from "./ready.ts";
import { watchSources } from "./watch.ts";

/** Done before each start of the replica; what it returns is for the person to read. */
export type Preparation = (postgres: PostgresConfig) => Promise<readonly string[]>;

export interface SupervisorOptions {
  /** Where the data is kept between runs. */
  readonly folder: string;
  /** A change below these starts the replica anew. */
  readonly sources: readonly string[];
  readonly preparations: readonly Preparation[];
  readonly environment: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

/** For what a person would not wait for: it stops within a second. Whatever is set already stays. */
const impatient: NodeJS.ProcessEnv = {
  OMNIAI_SWITCH_SECONDS: "0",
  OMNIAI_DRAIN_SECONDS: "0.2",
  OMNIAI_STOP_MARGIN_SECONDS: "2",
  OMNIAI_EVENT_RETENTION: "10000",
};

/**
 * Keeps the database open, and one replica running on it: a new one for each change of the sources. A replica that
 * does not start after a change leaves this waiting for the next one.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #postgres: PostgresServer;
  readonly #unwatch: () => void;
  #child: Child | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #ports: Ready | undefined;
  #isStopping = false;

  private constructor(options: SupervisorOptions, postgres: PostgresServer) {
    this.#options = options;
    this.#postgres = postgres;
    this.#unwatch = watchSources(options.sources, (file) => {
      void this.#next(() => this.#restart(file));
    });
  }

  /** @returns undefined when the first replica did not start; all is stopped then. */
  static async start(options: SupervisorOptions): Promise<Supervisor | undefined> {
    const supervisor = new Supervisor(options, await PostgresServer.start(join(options.folder, "postgres")));
    const ready = await supervisor.#next(() => supervisor.#begin());
    if (ready) return supervisor;
    await supervisor.stop();
    return undefined;
  }

  /** Ends the replica, then the database. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#unwatch();
    await this.#next(async () => {
      await this.#child?.stop();
      await this.#postgres.stop();
    });
  }

  /** One thing at a time: a change while a replica starts waits for it. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #restart(file: string): Promise<void> {
    if (this.#isStopping) return;
    this.#options.say(`${file} changed: starting anew`);
    await this.#child?.stop();
    await this.#begin();
  }

  async #begin(): Promise<Ready | undefined> {
    const { say, preparations, environment, folder } = this.#options;
    const { config } = this.#postgres;
    try {
      for (const prepare of preparations) for (const line of await prepare(config)) say(line);
    } catch (error) {
      say(`not started: ${reasonOf(error)}`);
      this.#child = undefined;
      return undefined;
    }
    const child = new Child(folder, {
      ...impatient,
      ...environment,
      ...this.#samePorts(),
      PGHOST: config.host,
      PGPORT: String(config.port),
      PGUSER: config.user,
      PGDATABASE: config.database,
      OMNIAI_POSTGRES_PASSWORD_FILE: "",
    });
    this.#child = child;
    const ready = await child.ready;
    if (!ready) {
      say(`the service ended with code ${await child.ended}; its last words are above`);
      return undefined;
    }
    void child.ended.then((code) => this.#ended(child, code));
    this.#ports = ready;
    say(`http://127.0.0.1:${ready.port}  (inside: http://127.0.0.1:${ready.internalPort}/readyz, /metrics)`);
    return ready;
  }

  #ended(child: Child, code: number): void {
    if (this.#isStopping || this.#child !== child || code === 0) return;
    this.#options.say(`the service ended with code ${code}; it starts again after the next change`);
  }

  /** A port that the system chose stays the same: clients come back to it. */
  #samePorts(): NodeJS.ProcessEnv {
    if (!this.#ports) return {};
    const { port, internalPort } = this.#ports;
    return { OMNIAI_PORT: String(port), OMNIAI_INTERNAL_PORT: String(internalPort) };
  }
}
