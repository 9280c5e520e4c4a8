/** The page on GitHub: how GitHub serves it, and its files with the config of this very stack. */
import type * as command from "@pulumi/command";
import * as github from "@pulumi/github";
import * as pulumi from "@pulumi/pulumi";
import type { RuntimeConfig } from "../../../frontend/publish/runtime-config.ts";
import { stackFiles, staticFiles, versionOf } from "../../../frontend/publish/site.ts";
import { localCommand } from "../../resources/command.ts";
import { fromProgram } from "../../resources/program-folder.ts";

export interface PagesArgs {
  /** The repository of the page as owner/name. */
  readonly repository: string;
  /** Undefined: the provider takes GITHUB_TOKEN. */
  readonly token: pulumi.Output<string> | undefined;
  /** `branch`: the program commits the files. `workflow`: a workflow deploys what `npm run pages -- build` renders. */
  readonly source: "branch" | "workflow";
  /** The branch that the files are committed to. It has to be there. */
  readonly branch: string;
  /** A host name of one's own; empty: GitHub's. */
  readonly domain: string;
  /** Whether http:// leads to https://. GitHub refuses it until it has a certificate; false leaves it as GitHub has it. */
  readonly httpsEnforced: boolean;
  /** The folder with the files. */
  readonly frontend: string;
  /** Known once the backend answers, so that no page is published before it. */
  readonly runtimeConfig: pulumi.Output<RuntimeConfig>;
  /** What has to be there first: the domain's record, for one. */
  readonly dependsOn: readonly pulumi.Resource[];
}

export class Pages extends pulumi.ComponentResource {
  /** Where the page is, known once its last file is there. */
  readonly url: pulumi.Output<string>;

  constructor(args: PagesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:pages:Pages", `${pulumi.getStack()}-pages`, {}, opts);
    const [owner = "", repository = ""] = args.repository.split("/");
    const provider = new github.Provider("github", { owner, token: args.token }, { parent: this });
    const options = { parent: this, provider };
    const last = args.source === "branch" ? this.#createFiles(args, repository, options) : undefined;
    const pages = new github.RepositoryPages(
      `omniai-${pulumi.getStack()}`,
      {
        repository,
        ...(args.source === "branch"
          ? { buildType: "legacy", source: { branch: args.branch, path: "/" } }
          : { buildType: "workflow" }),
      },
      {
        ...options,
        dependsOn: [...args.dependsOn, ...(last ? [last] : [])],
        // Set by #nameIt, and not to be taken back here.
        ignoreChanges: ["cname", "httpsEnforced"],
      },
    );
    const named = args.domain === "" ? undefined : this.#nameIt(args, pages);
    this.url = pulumi.all([pages.htmlUrl, named?.id]).apply(([url]) => url);
    this.registerOutputs({ url: this.url });
  }

  /** The page's own name, and HTTPS: see domain.ts. Once more after each change of the page, which takes the name away. */
  #nameIt(args: PagesArgs, pages: github.RepositoryPages): command.local.Command {
    const { domain, httpsEnforced, repository, source, branch } = args;
    const run = 'node "$SCRIPT" "$REPOSITORY"';
    return localCommand(
      `omniai-${pulumi.getStack()}-pages-domain`,
      {
        script: run,
        onDelete: `${run} remove`,
        environment: { SCRIPT: fromProgram(`${import.meta.dirname}/domain.ts`), REPOSITORY: repository },
        stdin: pulumi
          .output(args.token)
          .apply((token = "") => JSON.stringify({ token, domain, httpsEnforced, after: [source, branch] })),
        logging: "stderr",
      },
      { parent: this, dependsOn: [pages], additionalSecretOutputs: ["stdout", "stderr"] },
    );
  }

  /**
   * A resource for each file: one that did not change makes no commit. One after the other, because each is a commit
   * on top of the former. @returns the last one.
   */
  #createFiles(
    args: PagesArgs,
    repository: string,
    options: pulumi.CustomResourceOptions,
  ): github.RepositoryFile | undefined {
    const known = staticFiles(args.frontend);
    // Their number does not depend on what is known only later, only their content does.
    const rendered = args.runtimeConfig.apply((runtimeConfig) =>
      stackFiles({ ...runtimeConfig, pageVersion: versionOf(known) }, args.domain),
    );
    const names = stackFiles({ stack: "", apiBaseUrl: "" }, args.domain).map(({ path }) => path);
    const files: { path: string; content: pulumi.Input<string> }[] = [
      ...known,
      ...names.map((path) => ({
        path,
        content: rendered.apply((all) => all.find((file) => file.path === path)?.content ?? ""),
      })),
    ];
    let last: github.RepositoryFile | undefined;
    for (const { path, content } of files) {
      last = new github.RepositoryFile(
        `omniai-${pulumi.getStack()}-${path}`,
        {
          repository,
          branch: args.branch,
          file: path,
          content,
          commitMessage: `Publish ${path} for stack ${pulumi.getStack()}`,
          overwriteOnCreate: true,
        },
        { ...options, dependsOn: last ? [last] : [] },
      );
    }
    return last;
  }
}
