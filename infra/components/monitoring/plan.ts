/** What each part of the monitoring is, without its image, its networks and its files. */
import type * as pulumi from "@pulumi/pulumi";
import type { WorkloadArgs } from "../../workload.ts";
import { SCRAPE_SECONDS, TARGETS } from "./scrape.ts";

type Plan = Omit<WorkloadArgs, "engine" | "image" | "networks" | "volumes" | "dependsOn">;

/** The parts, by the names of their workloads. */
export const PARTS = [
  "victoria-metrics",
  "vmalert",
  "vmalert-logs",
  "alertmanager",
  "node-exporter",
  "reader",
  "victoria-logs",
  "vlagent",
] as const;
export type PartName = (typeof PARTS)[number];

/** The user "nobody" of the images: it owns nothing on any host. */
export const user = { uid: 65534, gid: 65534 };

/** The name by which the parts log in at VictoriaMetrics: other containers of the stack reach it as well. */
export const METRICS_USER = "omniai";

/** Where their files lie in the containers. */
const FILES = "/run/omniai";

/** The ports, as the programs have them by default. */
export const METRICS_PORT = 8428;
export const RULES_PORT = 8880;
export const ALERTMANAGER_PORT = 9093;
export const EXPORTER_PORT = 9100;

export const LOGS_PORT = 9428;
export const AGENT_PORT = 9429;

/** Where the service asks which alerts fire. vmalert's API only reads, so nobody can silence an alert or write a metric there. */
export const ALERTS_URLS: readonly string[] = ["vmalert", "vmalert-logs"].map(
  (name) => `http://${name}:${RULES_PORT}/api/v1/alerts`,
);

/** The reader writes so often, in seconds. */
export const READER_SECONDS = 10;

const asks = (port: number, path: string): WorkloadArgs["health"] => ({
  command: ["wget", "-q", "-O", "/dev/null", `http://127.0.0.1:${port}${path}`],
  // Each look is a process of its own, and these are many parts on a small host.
  interval: 15,
  timeout: 5,
  startPeriod: 60,
});

const common = {
  kind: "singleton",
  user: `${user.uid}:${user.gid}`,
  tmpfs: { "/tmp": "size=16m,mode=1777" },
  pids: 64,
  stopGrace: 15,
} as const;

export const planMetrics = ({
  days,
  memory,
  cpus,
}: {
  days: number;
  memory: number;
  cpus: string;
}): Plan => ({
  ...common,
  entrypoint: ["/victoria-metrics-prod"],
  command: [
    "-storageDataPath=/data",
    `-retentionPeriod=${days}d`,
    // A sixth of the limit for caches, which are not Go's memory; the program, its buffers and a query need the rest.
    `-memory.allowedBytes=${Math.floor(memory / 6)}MiB`,
    // So few series are read anew faster than answers to queries about them are worth their memory.
    "-search.disableCache",
    "-search.maxConcurrentRequests=4",
    // A value is there a second after it was scraped; the default hides half a minute.
    "-search.latencyOffset=3s",
    `-promscrape.config=${FILES}/scrape.yaml`,
    "-promscrape.fileSDCheckInterval=2s",
    `-httpAuth.username=${METRICS_USER}`,
    `-httpAuth.password=file://${FILES}/password`,
    `-vmui.customDashboardsPath=${FILES}/dashboards`,
    "-loggerLevel=WARN",
    // A disk that is nearly full is left to those who need it more.
    "-storage.minFreeDiskSpaceBytes=1GiB",
  ],
  environment: { GOMEMLIMIT: `${Math.floor((memory * 2) / 5)}MiB` },
  // Caches that are read from a file at the start take 32 MiB each, full or not; those that begin empty take what is in them.
  // An engine gives a tmpfs the mode of a folder that was there before, but its own owner.
  tmpfs: { ...common.tmpfs, "/data/cache": `size=64m,mode=0700,uid=${user.uid},gid=${user.gid}` },
  health: asks(METRICS_PORT, "/health"),
  memory,
  cpus,
});

/** How a program logs in at VictoriaMetrics. @param what it asks there: datasource, remoteWrite or remoteRead. */
const login = (what: string): string[] => [
  `-${what}.url=http://victoria-metrics:${METRICS_PORT}`,
  `-${what}.basicAuth.username=${METRICS_USER}`,
  `-${what}.basicAuth.passwordFile=${FILES}/password`,
];

const planVmalert = (
  stack: string,
  source: readonly string[],
  limits: Pick<Plan, "memory" | "cpus">,
): Plan => ({
  ...common,
  entrypoint: ["/vmalert-prod"],
  command: [
    `-rule=${FILES}/*.yaml`,
    ...source,
    // What is pending and firing outlives a restart.
    ...login("remoteWrite"),
    ...login("remoteRead"),
    `-notifier.url=http://alertmanager:${ALERTMANAGER_PORT}`,
    `-evaluationInterval=${SCRAPE_SECONDS}s`,
    // Metrics and lines are there a moment after they came to be; the default waits for half a minute.
    "-rule.evalDelay=5s",
    `-external.label=stack=${stack}`,
    // The replicas reach it for the alerts alone: what is more than reading those wants a password.
    ...["reload", "pprof", "flags"].map((what) => `-${what}AuthKey=file://${FILES}/password`),
    "-loggerLevel=WARN",
  ],
  health: asks(RULES_PORT, "/health"),
  ...limits,
});

export const planRules = (stack: string): Plan =>
  planVmalert(stack, login("datasource"), { memory: 48, cpus: "0.1" });

/** A vmalert has one source, so the rules about logs have one of their own. */
export const planLogRules = (stack: string): Plan =>
  planVmalert(stack, [`-datasource.url=http://victoria-logs:${LOGS_PORT}`, "-rule.defaultRuleType=vlogs"], {
    memory: 32,
    cpus: "0.1",
  });

export const planAlertmanager = (): Plan => ({
  ...common,
  command: [
    "--config.file=/run/secrets/alertmanager.yml",
    "--storage.path=/alertmanager",
    "--data.retention=120h",
    // There is one of it.
    "--cluster.listen-address=",
    // Which receiver does not answer is what one wants to know.
    "--enable-feature=receiver-name-in-metrics",
    "--log.level=warn",
  ],
  health: asks(ALERTMANAGER_PORT, "/-/healthy"),
  memory: 80,
  cpus: "0.1",
});

/** What the machine says of itself everywhere, also inside a container: no folder of the host is needed for it. */
const COLLECTORS = [
  "cpu",
  "diskstats",
  "filesystem",
  "loadavg",
  "meminfo",
  "pressure",
  "stat",
  "textfile",
  "timex",
  "vmstat",
];

export const planNodeExporter = (): Plan => ({
  ...common,
  command: [
    "--collector.disable-defaults",
    "--web.disable-exporter-metrics",
    ...COLLECTORS.map((name) => `--collector.${name}`),
    "--collector.textfile.directory=/textfiles",
    // The volume lies on the engine's disk, which is the one that fills.
    "--collector.filesystem.mount-points-include=^/textfiles$",
    "--log.level=warn",
  ],
  health: asks(EXPORTER_PORT, "/"),
  memory: 48,
  cpus: "0.1",
});

/** Control groups of the host, which show their numbers to every user. */
export const CGROUPS = "/sys/fs/cgroup";

export const planReader = (): Plan => ({
  ...common,
  entrypoint: ["sh", `${FILES}/reader.sh`],
  command: [TARGETS, "/host/cgroup", "/textfiles/containers.prom", String(READER_SECONDS)],
  hostFolders: [{ folder: CGROUPS, path: "/host/cgroup" }],
  health: {
    command: ["sh", "-c", '[ -n "$(find /textfiles/containers.prom -mmin -1)" ]'],
    interval: 15,
    timeout: 5,
    startPeriod: 60,
  },
  memory: 16,
  cpus: "0.1",
  stopGrace: 5,
});

export const planLogs = ({ logDays, logDisk }: { logDays: number; logDisk: number }): Plan => ({
  ...common,
  entrypoint: ["/victoria-logs-prod"],
  command: [
    "-storageDataPath=/data",
    `-retentionPeriod=${logDays}d`,
    // The oldest days are let go when the others have grown to this.
    `-retention.maxDiskSpaceUsageBytes=${logDisk}MiB`,
    "-storage.minFreeDiskSpaceBytes=1GiB",
    "-memory.allowedBytes=32MiB",
    "-search.maxConcurrentRequests=2",
    // By default as many as there are cores, each with a whole block in memory.
    "-maxConcurrentInserts=1",
    "-loggerLevel=WARN",
  ],
  // Go gives memory back before the limit is reached, instead of letting the kernel end it. Idle it takes a tenth; a flood of long
  // lines that do not compress takes all of it.
  environment: { GOMEMLIMIT: "120MiB" },
  health: asks(LOGS_PORT, "/health"),
  memory: 160,
  // A flood of lines needs a core for as long as it lasts, but not while the service needs it: what is not read yet lies in
  // the engine's files.
  cpus: "1",
  isBackground: true,
});

/** Where the agent finds the engine's logs, and the links that name them. */
export const ENGINE_LOGS = "/containers";

/** @param folder the engine's folder of containers on the host. */
export const planAgent = (folder: pulumi.Input<string>): Plan => ({
  ...common,
  // A log is readable for the group of root, and its folder may be passed but not listed: with this group, no capability and
  // the exact path it reads the logs that a deploy names, and neither finds others nor reads what else the engine keeps.
  user: `${user.uid}:0`,
  entrypoint: ["/vlagent-prod"],
  command: [
    "-tmpDataPath=/data",
    `-remoteWrite.url=http://victoria-logs:${LOGS_PORT}/insert/native`,
    // While VictoriaLogs is away, so much is kept for it.
    "-remoteWrite.maxDiskUsagePerURL=512MiB",
    // By default as many at once as there are cores, of 8 MiB each: a flood of long lines would take all that VictoriaLogs may have.
    "-remoteWrite.queues=1",
    "-remoteWrite.maxBlockSize=1MiB",
    `-fileCollector.glob=${TARGETS}/links/*.log`,
    "-fileCollector.refreshInterval=5s",
    // The shape of the engine's json-file driver: {"log", "stream", "time"}.
    "-fileCollector.msgField=log",
    "-fileCollector.streamFields=file",
    "-fileCollector.hostnameField=",
    "-memory.allowedBytes=16MiB",
    "-loggerLevel=ERROR",
  ],
  environment: { GOMEMLIMIT: "96MiB" },
  hostFolders: [{ folder, path: ENGINE_LOGS }],
  health: asks(AGENT_PORT, "/health"),
  memory: 128,
  cpus: "1",
  isBackground: true,
});
