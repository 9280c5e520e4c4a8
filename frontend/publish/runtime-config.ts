/** runtime-config.json: the one file of the page that differs from stack to stack. */

/** What a page can go without. */
export const PAGE_FEATURES = ["diagnostics", "offline", "public", "publish", "reports", "stream"] as const;

export type PageFeature = (typeof PAGE_FEATURES)[number];

/** How a page behaves; what is left out is as frontend/runtime-config.schema.json says. */
export interface PageSettings {
  /** How people sign in, as the service has it: none, session, token or both. */
  readonly authMode?: string;
  /** How often a visible page asks for health and measures its connection, in seconds. */
  readonly measureSeconds?: number;
  /** The longest that one poll waits for an event, in seconds. */
  readonly pollSeconds?: number;
  readonly features?: Readonly<Record<PageFeature, boolean>>;
  /** Whether the service pushes alerts to browsers that ask for them; default false. */
  readonly webPush?: boolean;
}

export interface RuntimeConfig extends PageSettings {
  readonly stack: string;
  /** The origin of the API, without a slash at its end; "/" for a page that is served beside it: its own origin. */
  readonly apiBaseUrl: string;
  /** The version of the page's files that it is published with. */
  readonly pageVersion?: string;
}

/** All features, but those that a stack's page goes without. */
export const featuresWithout = (off: readonly PageFeature[]): Readonly<Record<PageFeature, boolean>> =>
  Object.fromEntries(PAGE_FEATURES.map((name) => [name, !off.includes(name)])) as Record<
    PageFeature,
    boolean
  >;

/** What the page is told. It is public: nothing secret may come in here. */
export const renderRuntimeConfig = (
  stack: string,
  { apiBaseUrl }: Pick<RuntimeConfig, "apiBaseUrl">,
  settings: PageSettings,
): RuntimeConfig => ({ stack, apiBaseUrl, ...settings });

/** The apiBaseUrl of a page that the API's own origin serves, whatever that is called by who asks. */
export const OWN_ORIGIN = "/";
