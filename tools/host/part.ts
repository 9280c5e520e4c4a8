/**
 * The vocabulary of the toolchain: what a part is, how it came to this machine, and how steps report.
 * A part is one thing that the stack needs and that a machine may lack: the Pulumi CLI, a plugin, the Docker
 * engine, an image.
 */

/** How a part came to this machine. `path`: somebody else installed it. `missing`: it is not here. */
export type Way = "path" | "downloaded" | "built" | "missing";

/** What `npm run doctor` says about one part. */
export interface PartStatus {
  /** The part's name as its own project writes it, for example "pulumi". */
  readonly name: string;
  /** Its version, or undefined when it is missing. */
  readonly version?: string;
  readonly way: Way;
  /** Where it is: a path, a socket or an image id. */
  readonly location?: string;
  /** What a person can do when it is missing, too old or limited. One sentence. */
  readonly remedy?: string;
  /** What the part lacks compared with the official one. Shown as a warning when it is built. */
  readonly limits?: readonly string[];
}

/** Where steps report. Every long step shows that it is alive. */
export interface Reporter {
  /** One line of information. */
  say(line: string): void;
  /** One line that must not be overlooked. */
  warn(line: string): void;
  /**
   * Runs a step that may take long. It shows the title, then the latest line of output and the seconds so far (in place
   * on a terminal, every 15 s elsewhere), then how long the step took. Errors pass through.
   */
  step<T>(title: string, run: (progress: (line: string) => void) => Promise<T>): Promise<T>;
}

/** What every part gets. */
export interface ToolchainContext {
  /** The cache, outside the repository: OMNIAI_CACHE, else XDG_CACHE_HOME/omniai, else ~/.cache/omniai. */
  readonly cacheDir: string;
  /** False with `--no-install`: a missing part is then an error that says what to install. */
  readonly install: boolean;
  /** False for a run that brings next to nothing to the engine: a full disk is then no reason to refuse it. Default: true. */
  readonly fillsDisk?: boolean;
  readonly report: Reporter;
  readonly env: NodeJS.ProcessEnv;
}

/** One part of the toolchain. */
export interface Part {
  readonly name: string;
  /** Looks, changes nothing. Under 300 ms. */
  inspect(context: ToolchainContext): Promise<PartStatus>;
  /**
   * Provides the part: from PATH where it is new enough, else by the official download, else built from package
   * registries. Says what it will install before it does. Throws ToolchainError when it cannot.
   */
  ensure(context: ToolchainContext): Promise<PartStatus>;
}

/** A part cannot be provided. The message says what happened, to what, and what to do next. */
export class ToolchainError extends Error {
  override readonly name = "ToolchainError";
  readonly remedy: string;
  constructor(message: string, remedy: string, options?: ErrorOptions) {
    super(`${message}\n  ${remedy}`, options);
    this.remedy = remedy;
  }
}
