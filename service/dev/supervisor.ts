/** Keeps the database and the replica of `npm run dev` running. */
import { join } from "node:path";
import type { PostgresConfig } from "../src/platform/env/config.ts";
import { reasonOf } from "../src/platform/deadline.ts";
import { Child } from "./child.ts";
import { PostgresServer } from "./postgres-server.ts";
import type { Ready } from "./ready.ts";
import { watchSources } from "./watch.ts";

/** Runs before each start of the replica, and returns lines for the person to read. */
export type Preparation = (postgres: PostgresConfig) => Promise<readonly string[]>;

export interface SupervisorOptions {
  /** Where the data is kept between runs. */
  readonly folder: string;
  /** A change below these restarts the replica. */
  readonly sources: readonly string[];
  readonly preparations: readonly Preparation[];
  readonly environment: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

/** The replica stops within a second, because a person waits for it. Variables that are already set stay. */
const impatient: NodeJS.ProcessEnv = {
  OMNIAI_SWITCH_SECONDS: "0",
  OMNIAI_DRAIN_SECONDS: "0.2",
  OMNIAI_STOP_MARGIN_SECONDS: "2",
  OMNIAI_EVENT_RETENTION: "10000",
};

/**
 * Keeps the database open and one replica running on it, and restarts the replica for each change of the sources. When a
 * replica does not start after a change, this waits for the next change.
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

  /** @returns undefined when the first replica did not start; everything is stopped then. */
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

  /** One thing at a time: a change waits for a replica that is starting. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #restart(file: string): Promise<void> {
    if (this.#isStopping) return;
    this.#options.say(`${file} changed: restarting`);
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
      say(`the service ended with code ${await child.ended}; its last lines are above`);
      return undefined;
    }
    void child.ended.then((code) => this.#ended(child, code));
    this.#ports = ready;
    say(
      `http://127.0.0.1:${ready.port}/  (the page; inside: http://127.0.0.1:${ready.internalPort}/readyz, /metrics)`,
    );
    return ready;
  }

  #ended(child: Child, code: number): void {
    if (this.#isStopping || this.#child !== child || code === 0) return;
    this.#options.say(`the service ended with code ${code}; it starts again after the next change`);
  }

  /** A port that the system chose stays the same, because clients come back to it. */
  #samePorts(): NodeJS.ProcessEnv {
    if (!this.#ports) return {};
    const { port, internalPort } = this.#ports;
    return { OMNIAI_PORT: String(port), OMNIAI_INTERNAL_PORT: String(internalPort) };
  }
}
