/** runtime-config.json: the one file of the page that differs from stack to stack. */

export interface RuntimeConfig {
  readonly stack: string;
  /** The origin of the API, without a slash at its end; "/" for a page that is served beside it: its own origin. */
  readonly apiBaseUrl: string;
  /** The version of the page's files that it is published with. */
  readonly pageVersion?: string;
}

/** What the page is told. It is public: nothing secret may come in here. */
export const renderRuntimeConfig = (
  stack: string,
  { apiBaseUrl }: Pick<RuntimeConfig, "apiBaseUrl">,
): RuntimeConfig => ({ stack, apiBaseUrl });

/** The apiBaseUrl of a page that the API's own origin serves, whatever that is called by who asks. */
export const OWN_ORIGIN = "/";
