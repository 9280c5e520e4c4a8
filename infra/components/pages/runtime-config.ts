/** runtime-config.json: the one file of the page that differs from stack to stack. */

export interface RuntimeConfig {
  readonly stack: string;
  /** The origin of the API, without a slash at its end. */
  readonly apiBaseUrl: string;
}

/** What the page is told. It is public: nothing secret may come in here. */
export const renderRuntimeConfig = (
  stack: string,
  { apiBaseUrl }: Pick<RuntimeConfig, "apiBaseUrl">,
): RuntimeConfig => ({ stack, apiBaseUrl });
