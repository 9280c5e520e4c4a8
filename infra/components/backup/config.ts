/** The backup room's config keys: what each may be, whether the room is there, and what they become. */
import { z } from "zod";
import { cpus, flag, within, type ConfigProblem, type Values } from "../../config/keys.ts";
import { environmentOf, type PolicySettings } from "../../config/policy-settings.ts";
import type { CacheConfig } from "../cache/config.ts";
import type { DatabaseConfig } from "../database/config.ts";
import { planCacheMemory } from "../cache/memory.ts";
import type { BackupArgs } from "./backup.ts";

const isTimeZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
};

export const backupKeys = {
  // Not on and off, which YAML reads as true and false in some places and as words in others.
  backups: z.enum(["auto", "always", "never"]).describe("one of auto, always, never"),
  backupTime: z
    .string()
    .regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/)
    .describe('a time of day from "00:00" to "23:59"'),
  backupSynchronous: flag,
  backupDays: within(1, 3650),
  backupMemory: within(192, 1_048_576),
  backupCpus: cpus,
  timeZone: z
    .string()
    .refine(isTimeZone)
    .describe("a time zone by its name in the IANA's list, such as UTC or Europe/Berlin"),
};

export type BackupConfig = Values<typeof backupKeys>;

/** The keys of other rooms that decide about this one. */
type Beside = Pick<CacheConfig, "redis" | "redisMemory"> &
  Pick<DatabaseConfig, "database"> & { readonly offsiteBucket: string };

/**
 * Whether the stack has the room: `auto` means everywhere but in dev without a bucket, whose data can be made again. A
 * database that others run is theirs to back up, and gives nobody its log: a dump of it is taken for the copies off-site.
 */
export const hasBackups = (
  stack: string,
  {
    backups,
    environment,
    offsiteBucket = "",
    database = "container",
  }: Pick<BackupConfig, "backups"> &
    Pick<PolicySettings, "environment"> &
    Partial<Pick<DatabaseConfig, "database">> & { readonly offsiteBucket?: string },
): boolean => {
  if (database === "external") return offsiteBucket !== "" && backups !== "never";
  if (backups !== "auto") return backups === "always";
  return environmentOf(stack, environment) !== "dev" || offsiteBucket !== "";
};

/** What cannot be had of a server of others is refused by name, and not left out in silence. */
const externalProblems = ({
  database,
  backups,
  backupSynchronous,
  offsiteBucket,
}: BackupConfig & Beside): ConfigProblem[] => {
  if (database !== "external") return [];
  const why = "with omniai:database: external, because the backups of that server are its provider's";
  return [
    ...(backups === "always" && offsiteBucket === ""
      ? [
          {
            key: "backups",
            value: backups,
            allowed: `auto or never ${why}; omniai:offsiteBucket beside it keeps a daily dump off-site`,
          },
        ]
      : []),
    ...(backupSynchronous
      ? [
          {
            key: "backupSynchronous",
            value: backupSynchronous,
            allowed: "false with omniai:database: external, which gives nobody its log",
          },
        ]
      : []),
  ];
};

/** Another key must not be able to leave PostgreSQL waiting for a room that no stack has. */
const synchronousProblems = ({
  backups,
  backupSynchronous,
  database,
}: BackupConfig & Beside): ConfigProblem[] =>
  backupSynchronous && backups !== "always" && database !== "external"
    ? [
        {
          key: "backupSynchronous",
          value: backupSynchronous,
          allowed:
            "false, or omniai:backups: always beside it, because no commit would end without a backup room",
        },
      ]
    : [];

/** What the room itself, its run and its receiver take while it loads a copy of Redis, in MiB. */
const BESIDE_REDIS = 80;

/** The room loads each copy of Redis to prove it: all that Redis may hold, and a third more. */
const memoryProblems = (config: BackupConfig & Beside): ConfigProblem[] => {
  if (config.redis === "external" || (config.database === "external" && config.offsiteBucket === ""))
    return [];
  const least = Math.ceil(planCacheMemory(config.redisMemory).maxmemory * 1.3) + BESIDE_REDIS;
  if (config.backups === "never" || config.backupMemory >= least) return [];
  return [
    {
      key: "backupMemory",
      value: config.backupMemory,
      allowed: `at least ${least} with omniai:redisMemory ${config.redisMemory}: the room loads each copy of Redis to prove it`,
    },
  ];
};

export const backupProblems = (config: BackupConfig & Beside): ConfigProblem[] => [
  ...externalProblems(config),
  ...synchronousProblems(config),
  ...memoryProblems(config),
];

/** What the stack gives the room beside its config. */
type FromTheStack =
  | "engine"
  | "baseImages"
  | "baseImageIds"
  | "network"
  | "metricsNetwork"
  | "egress"
  | "database"
  | "cache"
  | "postgres"
  | "offsite";

export const backupArgs = (config: BackupConfig): Omit<BackupArgs, FromTheStack> => ({
  time: config.backupTime,
  days: config.backupDays,
  synchronous: config.backupSynchronous,
  timeZone: config.timeZone,
  memory: config.backupMemory,
  cpus: config.backupCpus,
});
