/** What a stand-in is made from: what a Dockerfile cannot say. */

export interface Recipe {
  /** The official image's repository, and the folder's name. */
  readonly repository: string;
  /** Which versions are offered, for messages. */
  readonly offers: string;
  /** True for a tag's version that the recipe may produce. What Debian really had is compared after the build. */
  readonly takes: (version: string) => boolean;
  /** The Debian packages whose versions are told to the user. */
  readonly packages: readonly string[];
  /** npm packages for the build context, fetched with the machine's own npm, where the main part is no Debian package. */
  readonly npmPackages?: (version: string) => readonly string[];
  /** A program that Go builds for the build context, where no Debian package has it. */
  readonly goProgram?: GoProgram;
  /** The folder with the Dockerfile; default: that of the repository's name. */
  readonly folder?: string;
  /** Files of other folders here that the build needs as well, so that there is one of each. */
  readonly files?: readonly string[];
  /**
   * True where the official image has no tag that is less exact than a whole version, and Debian has only its newest one:
   * any version of the same major number will do, and the stand-in says which it is.
   */
  readonly nearVersion?: boolean;
  readonly buildArgs?: (version: string) => Readonly<Record<string, string>>;
  /** What it lacks compared with the official image. */
  readonly lacks: readonly string[];
  /** The smoke test: a container that is started like this must pass `ready`, and `version` must print its version. */
  readonly smoke: {
    readonly run: readonly string[];
    readonly command: readonly string[];
    readonly ready: readonly string[];
    readonly version: readonly string[];
  };
}

/** A program of a Go module whose go.mod and go.sum lie here. */
export interface GoProgram {
  /** The folder with go.mod, beside this file. */
  readonly module: string;
  /** The package to build. Its last part is the program's name. */
  readonly package: string;
  /** Values for the linker's -X. */
  readonly variables: Readonly<Record<string, string>>;
}
