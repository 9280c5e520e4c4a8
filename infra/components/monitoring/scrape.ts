/** What VictoriaMetrics scrapes, and the lists by which it and the reader find the stack's containers. */
import { stringify } from "yaml";

/** How often, in seconds. A dead replica is noticed within one of them. */
export const SCRAPE_SECONDS = 10;

/** Where the lists lie in the containers that read them. */
export const TARGETS = "/targets";

export interface Target {
  readonly container: string;
  readonly workload: string;
  /** Its number among the replicas of its workload, from 1 on. */
  readonly replica: number;
}

/** How the names of metrics begin that the parts of the monitoring have of themselves. */
const ownName = /\b(?:alertmanager|vl|vlagent|vmalert)_[a-z_]+/g;

/** Pure: those that somebody looks at. The parts have many more, which would be most of all that is kept. */
export const ownMetrics = (texts: readonly string[]): string[] =>
  [...new Set(texts.flatMap((text) => text.match(ownName) ?? []))].sort();

/**
 * Pure: the scrape configuration. Replicas come and go, so they stand in a file of their own that is read again.
 * @param certificates whether there is a room that gets certificates from an authority.
 * @param own the metrics that are kept of the parts of the monitoring; whether a part answers (`up`) always is.
 */
export function renderScrape(certificates: boolean, own: readonly string[]): string {
  const fixed = (job: string, target: string) => ({ job_name: job, static_configs: [{ targets: [target] }] });
  const part = (job: string, target: string) => ({
    ...fixed(job, target),
    metric_relabel_configs: [{ source_labels: ["__name__"], regex: own.join("|"), action: "keep" }],
  });
  return stringify({
    global: { scrape_interval: `${SCRAPE_SECONDS}s`, scrape_timeout: "5s" },
    scrape_configs: [
      { job_name: "backend", file_sd_configs: [{ files: [`${TARGETS}/backend.json`] }] },
      { job_name: "backup", file_sd_configs: [{ files: [`${TARGETS}/backup.json`] }] },
      ...(certificates
        ? [{ job_name: "certificates", file_sd_configs: [{ files: [`${TARGETS}/certificates.json`] }] }]
        : []),
      { job_name: "cloudflared", file_sd_configs: [{ files: [`${TARGETS}/cloudflared.json`] }] },
      fixed("node-exporter", "node-exporter:9100"),
      part("vmalert", "vmalert:8880"),
      part("vmalert-logs", "vmalert-logs:8880"),
      part("alertmanager", "alertmanager:9093"),
      part("victoria-logs", "victoria-logs:9428"),
      part("vlagent", "vlagent:9429"),
    ],
  });
}

/** Pure: the replicas by name, which the engine's DNS resolves at every scrape: one that is gone is down, and not forgotten. */
export function renderReplicas(replicas: readonly Target[], port: number): string {
  const groups = replicas.map(({ container, workload, replica }) => ({
    targets: [`${container}:${port}`],
    labels: { container, workload, replica: String(replica) },
  }));
  return `${JSON.stringify(groups, undefined, 2)}\n`;
}

/** Pure: every container of the stack, a line each: id, name, workload, replica. The reader has no other way to know. */
export const renderContainers = (containers: readonly (Target & { readonly id: string })[]): string =>
  containers
    .map(({ id, container, workload, replica }) => `${id} ${container} ${workload} ${replica}\n`)
    .join("");

/** What only a deploy knows of the stack. */
export interface StackFacts {
  /** How many of the service are declared. */
  readonly replicas: number;
  /** When the edge's generated certificate ends, as an ISO date and time; undefined with an authority's, which say it themselves. */
  readonly certificateEnds: string | undefined;
  /** How many clients the edge has room for. */
  readonly connections: number;
}

/** Pure: it as metrics. */
export const renderStack = ({ replicas, certificateEnds, connections }: StackFacts): string =>
  [
    `omniai_stack_replicas ${replicas}`,
    `omniai_edge_connections_limit ${connections}`,
    ...(certificateEnds === undefined
      ? []
      : [
          `omniai_certificate_end_timestamp_seconds{what="edge"} ${Math.floor(Date.parse(certificateEnds) / 1000)}`,
        ]),
    "",
  ].join("\n");
