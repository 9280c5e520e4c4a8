/** The real service behind a page: a test may stop it, and the next test finds it running, at the same address. */
import { startInstance, type Instance } from "../../../service/test/support/instance.ts";

export class Backend {
  readonly #environment: () => Record<string, string>;
  #instance: Instance | undefined;
  #port = 0;

  /** @param environment of the service, beside its stack's name. It is asked at each start. */
  constructor(environment: () => Record<string, string>) {
    this.#environment = environment;
  }

  /** Starts it where it does not run. */
  async ready(): Promise<Instance> {
    this.#instance ??= await startInstance({
      OMNIAI_STACK: "test",
      OMNIAI_PORT: String(this.#port),
      ...this.#environment(),
    });
    this.#port = this.#instance.port;
    return this.#instance;
  }

  /** Stops it where it runs. */
  async stop(): Promise<void> {
    const instance = this.#instance;
    this.#instance = undefined;
    await instance?.stop();
  }
}
