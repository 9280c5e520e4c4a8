/** The recipes of what watches over a stack. */
import type { Recipe } from "./recipe.ts";

const METRICS_VERSION = "1.151.0";
const LOGS_VERSION = "1.52.1";
const METRICS = "github.com/VictoriaMetrics/VictoriaMetrics";
const LOGS = "github.com/VictoriaMetrics/VictoriaLogs";

/** A program of VictoriaMetrics: Debian has it without its pages, and in one version only. */
function victoria(program: string, smoke: { command: readonly string[]; ready: readonly string[] }): Recipe {
  const isOfLogs = program === "victoria-logs" || program === "vlagent";
  const version = isOfLogs ? LOGS_VERSION : METRICS_VERSION;
  return {
    repository: `victoriametrics/${program}`,
    folder: "victoriametrics/image",
    offers: `v${version}`,
    takes: (wanted) => wanted === `v${version}`,
    packages: ["busybox"],
    goProgram: {
      module: `victoriametrics/${isOfLogs ? "logs" : "metrics"}`,
      package: `${isOfLogs ? LOGS : METRICS}/app/${program}`,
      variables: { [`${METRICS}/lib/buildinfo.Version`]: `${program}-v${version}` },
    },
    buildArgs: () => ({ PROGRAM: program }),
    lacks: ["the C library's zstd (the one in Go takes its place)"],
    smoke: { run: [], ...smoke, version: [`/${program}-prod`, "--version"] },
  };
}

/** A program of the Prometheus project, from Debian's next release. */
function prometheus(program: string, port: number, offers: string, command: readonly string[] = []): Recipe {
  return {
    repository: `prom/${program}`,
    folder: "prom",
    offers,
    takes: (wanted) => /^v0\.\d+\.\d+$/.test(wanted) || /^v1\.\d+\.\d+$/.test(wanted),
    nearVersion: true,
    packages: [`prometheus-${program}`],
    buildArgs: () => ({ PROGRAM: program }),
    lacks: ["the very version (it has Debian's newest)", "its own pages"],
    smoke: {
      run: [],
      command,
      ready: answers(`http://127.0.0.1:${port}/`),
      version: ["/entrypoint", "--version"],
    },
  };
}

const answers = (address: string): readonly string[] => ["wget", "-q", "-O", "/dev/null", address];

export const MONITORING: readonly Recipe[] = [
  victoria("victoria-metrics", {
    command: ["-storageDataPath=/tmp/data"],
    ready: answers("http://127.0.0.1:8428/health"),
  }),
  victoria("vmalert", {
    command: ["-rule=/tmp/*.yaml", "-datasource.url=http://127.0.0.1:1", "-notifier.blackhole"],
    ready: answers("http://127.0.0.1:8880/health"),
  }),
  victoria("victoria-logs", {
    command: ["-storageDataPath=/tmp/data"],
    ready: answers("http://127.0.0.1:9428/health"),
  }),
  victoria("vlagent", {
    command: ["-remoteWrite.url=http://127.0.0.1:1/insert/native", "-tmpDataPath=/tmp/data"],
    ready: answers("http://127.0.0.1:9429/health"),
  }),
  prometheus("alertmanager", 9093, "v0.x (Debian's newest)", [
    "--config.file=/etc/alertmanager/alertmanager.yml",
    "--storage.path=/alertmanager",
    "--cluster.listen-address=",
  ]),
  prometheus("node-exporter", 9100, "v1.x (Debian's newest)"),
];
