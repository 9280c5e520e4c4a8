/**
 * The monitoring: metrics, the rules that judge them, and who is told. Nothing of it holds what cannot be lost, nothing of
 * the stack waits for it, and no part of it reaches the engine.
 */
import * as pulumi from "@pulumi/pulumi";
import type { Loaded } from "../../config/secrets.ts";
import { dockerCommand } from "../../resources/command.ts";
import type { Engine } from "../../resources/engine.ts";
import { useImage } from "../../resources/image.ts";
import { createPassword } from "../../resources/password.ts";
import { writeIntoVolume } from "../../resources/short-lived.ts";
import { packFiles } from "../../resources/archive.ts";
import { Workload, type Replica, type WorkloadArgs } from "../../workload.ts";
import type { MonitoringNetworks } from "../network/network.ts";
import {
  planAgent,
  planAlertmanager,
  planLogRules,
  planLogs,
  planMetrics,
  planNodeExporter,
  planReader,
  planRules,
  user,
  type PartName,
} from "./plan.ts";
import { Folders, mount, type Folder } from "./folders.ts";
import { askEngineFolder } from "./engine-folder.ts";
import { PUSH_GATE, PUSH_GATE_FILE, PUSH_GATE_FOLDER, planPushGate, renderPushGate } from "./push-gate.ts";
import {
  PUSH_FILE,
  renderAlertmanager,
  secretFile,
  TEMPLATES,
  WATCHDOG_FILE,
  type Receiver,
} from "./receivers.ts";
import { dashboardFiles } from "./dashboards.ts";
import { logRuleFiles, readerScript, ruleFiles } from "./files.ts";
import { TARGETS_SCRIPT } from "./scripts.ts";
import {
  ownMetrics,
  renderContainers,
  renderReplicas,
  renderScrape,
  renderStack,
  TARGETS,
} from "./scrape.ts";

export interface MonitoringArgs {
  readonly engine: Engine;
  /** An image id with `sh`, `base64` and `tar` to write files with. */
  readonly filesImage: pulumi.Input<string>;
  readonly networks: MonitoringNetworks;
  /** The image of each part. */
  readonly images: Readonly<
    Record<
      "victoriaMetrics" | "vmalert" | "alertmanager" | "nodeExporter" | "victoriaLogs" | "vlagent",
      string
    >
  >;
  /** The replicas of the service, and the port of their metrics. */
  readonly replicas: readonly Replica[];
  readonly replicaPort: number;
  /** When the edge's generated certificate ends, as an ISO date and time; undefined with an authority's. */
  readonly certificateEnds: pulumi.Output<string> | undefined;
  /** How many clients the edge has room for. */
  readonly edgeConnections: number;
  /** The port of a connector's metrics. */
  readonly connectorPort: number;
  /** The port of the backup room's metrics. */
  readonly backupPort: number;
  /** The port of the room for certificates, where there is one. */
  readonly certificatesPort: number;
  /** Every other workload of the stack, by its name. */
  readonly workloads: Readonly<Record<string, readonly Replica[]>>;
  /** For how many days metrics are kept. */
  readonly days: number;
  /** For how many days logs are kept, and how much of the disk they may take, in MiB. */
  readonly logDays: number;
  readonly logDisk: number;
  /** The memory limit of VictoriaMetrics in MiB. */
  readonly memory: number;
  /** The CPU limit of VictoriaMetrics in cores. */
  readonly cpus: string;
  /** Who is told. */
  readonly receivers: readonly Loaded<Receiver>[];
  /** Where a sign of life goes, and how often, in seconds; undefined: nowhere. */
  readonly watchdog: { readonly url: pulumi.Output<string>; readonly seconds: number } | undefined;
  /** What the service wants to see before it pushes alerts to browsers; undefined: it pushes none. */
  readonly pushHook: pulumi.Output<string> | undefined;
}

export class Monitoring extends pulumi.ComponentResource {
  /** The names of the containers by workload. */
  readonly names: Readonly<Record<string, pulumi.Output<string[]>>>;
  /** The image ids by workload. */
  readonly imageIds: Readonly<Record<string, pulumi.Output<string>>>;
  readonly #args: MonitoringArgs;
  readonly #folders: Folders;

  constructor(args: MonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:monitoring:Monitoring", `${pulumi.getStack()}-monitoring`, {}, opts);
    this.#args = args;
    this.#folders = new Folders(args.engine, args.filesImage, this);
    const { networks, images } = args;
    this.imageIds = {
      "victoria-metrics": useImage(args.engine, "victoria-metrics", images.victoriaMetrics, this),
      vmalert: useImage(args.engine, "vmalert", images.vmalert, this),
      alertmanager: useImage(args.engine, "alertmanager", images.alertmanager, this),
      "node-exporter": useImage(args.engine, "node-exporter", images.nodeExporter, this),
      "victoria-logs": useImage(args.engine, "victoria-logs", images.victoriaLogs, this),
      vlagent: useImage(args.engine, "vlagent", images.vlagent, this),
    };
    const image = (workload: string): pulumi.Output<string> => this.imageIds[workload] ?? pulumi.output("");
    const password = createPassword("monitoring", this, false);
    const [data, alerts, textfiles] = [
      this.#folders.createFolder("victoria-metrics"),
      this.#folders.createFolder("alertmanager"),
      this.#folders.createFolder("textfiles"),
    ];
    const targets = this.#createTargets();
    const dashboards = dashboardFiles(pulumi.getStack());
    const certificates = args.workloads["certificates"] !== undefined;

    const metrics = this.#start("victoria-metrics", {
      ...planMetrics(args),
      image: image("victoria-metrics"),
      networks: [
        networks.monitoring,
        networks.metrics,
        ...(networks.connectors ? [networks.connectors] : []),
      ],
      ...mount(
        [data, "/data", false],
        [targets, TARGETS, true],
        [
          this.#folders.createFiles(
            "victoria-metrics",
            {
              "scrape.yaml": renderScrape(
                certificates,
                ownMetrics(Object.values({ ...ruleFiles(), ...dashboards })),
              ),
              ...inFolder("dashboards", dashboards),
            },
            { password },
          ),
          "/run/omniai",
          true,
        ],
      ),
    });
    const alertmanager = this.#start("alertmanager", {
      ...planAlertmanager(),
      image: image("alertmanager"),
      networks: [networks.monitoring, ...(networks.alerts ? [networks.alerts] : [])],
      ...mount([alerts, "/alertmanager", false], [this.#alertmanagerFiles(), "/run/secrets", true]),
    });
    // The service asks both which alerts fire.
    const judges = [networks.monitoring, networks.metrics];
    const rules = this.#start("vmalert", {
      ...planRules(pulumi.getStack()),
      image: image("vmalert"),
      networks: judges,
      ...mount([
        this.#folders.createFiles("vmalert", ruleFiles(certificates), { password }),
        "/run/omniai",
        true,
      ]),
    });
    const logRules = this.#start("vmalert-logs", {
      ...planLogRules(pulumi.getStack()),
      image: image("vmalert"),
      networks: judges,
      ...mount([
        this.#folders.createFiles("vmalert-logs", logRuleFiles(), { password }),
        "/run/omniai",
        true,
      ]),
    });
    const exporter = this.#start("node-exporter", {
      ...planNodeExporter(),
      image: image("node-exporter"),
      networks: [networks.monitoring],
      ...mount([textfiles, "/textfiles", true]),
    });
    const reader = this.#start("reader", {
      ...planReader(),
      image: image("node-exporter"),
      // The engine makes no container without a network here; on this one is nobody who asks it anything.
      networks: [networks.monitoring],
      ...mount(
        [textfiles, "/textfiles", false],
        [targets, TARGETS, true],
        [this.#folders.createFiles("reader", { "reader.sh": readerScript() }, {}), "/run/omniai", true],
      ),
    });
    const logs = this.#start("victoria-logs", {
      ...planLogs(args),
      image: image("victoria-logs"),
      networks: [networks.monitoring],
      ...mount([this.#folders.createFolder("victoria-logs"), "/data", false]),
    });
    const agent = this.#start("vlagent", {
      ...planAgent(askEngineFolder(args.engine, this)),
      image: image("vlagent"),
      networks: [networks.monitoring],
      ...mount([this.#folders.createFolder("vlagent"), "/data", false], [targets, TARGETS, true]),
    });
    const own: Record<PartName, Workload> = {
      ...{ "victoria-metrics": metrics, vmalert: rules, "vmalert-logs": logRules, alertmanager },
      ...{ "node-exporter": exporter, reader },
      ...{ "victoria-logs": logs, vlagent: agent },
    };
    const all = { ...own, ...(args.pushHook ? { [PUSH_GATE]: this.#createPushGate() } : {}) };
    this.#writeTargets(targets, { ...args.workloads, ...replicasOf(all) });
    this.names = Object.fromEntries(Object.entries(all).map(([name, workload]) => [name, workload.names]));
    this.registerOutputs({ names: this.names });
  }

  /** On a network of Alertmanager's and one of the replicas': nobody else is on both who hands anything over. */
  #createPushGate(): Workload {
    const { networks, filesImage, replicaPort } = this.#args;
    const file = { [PUSH_GATE_FILE]: renderPushGate(replicaPort) };
    return this.#start(PUSH_GATE, {
      ...planPushGate(`${user.uid}:${user.gid}`),
      // The edge's: it is there.
      image: filesImage,
      networks: [networks.monitoring, networks.metrics],
      ...mount([this.#folders.createFiles(PUSH_GATE, file, {}), PUSH_GATE_FOLDER, true]),
    });
  }

  #start(name: PartName | typeof PUSH_GATE, { folders, ...args }: Part): Workload {
    const dependsOn = folders.flatMap(({ made }) => made);
    return new Workload(name, { ...args, engine: this.#args.engine, dependsOn }, { parent: this });
  }

  /** The lists that every deploy writes anew. At first the volume is empty: nothing is scraped, and nothing is missed. */
  #createTargets(): Folder {
    return { volume: this.#folders.createVolume("targets").name, made: [] };
  }

  /** Written when every container is healthy, and before the old ones are told to stop: Pulumi deletes last. */
  #writeTargets(targets: Folder, workloads: Readonly<Record<string, readonly Replica[]>>): void {
    const { replicas, replicaPort, connectorPort, backupPort, engine, filesImage } = this.#args;
    const { certificatesPort } = this.#args;
    const { certificateEnds: end, edgeConnections: connections } = this.#args;
    const found = Object.entries({ ...workloads, backend: replicas }).flatMap(([workload, containers]) =>
      containers.map(({ name, container }, index) =>
        pulumi.all([name, container.id]).apply(([known, id]) => ({
          ...{ id, container: known, workload, replica: index + 1 },
        })),
      ),
    );
    const files = pulumi.all([pulumi.all(found), end]).apply(([containers, certificateEnds]) => {
      const list = (workload: string, port: number): string =>
        renderReplicas(
          containers.filter((one) => one.workload === workload),
          port,
        );
      return {
        containers: renderContainers(containers),
        "backend.json": list("backend", replicaPort),
        "backup.json": list("backup", backupPort),
        "cloudflared.json": list("cloudflared", connectorPort),
        ...(workloads["certificates"] === undefined
          ? {}
          : { "certificates.json": list("certificates", certificatesPort) }),
        "stack.prom": renderStack({ replicas: replicas.length, certificateEnds, connections }),
      };
    });
    dockerCommand(
      `omniai-${pulumi.getStack()}-targets`,
      {
        engine,
        script: writeIntoVolume(),
        environment: { SCRIPT: TARGETS_SCRIPT, VOLUME: targets.volume, IMAGE: filesImage },
        stdin: files.apply((texts) =>
          packFiles(
            Object.fromEntries(
              Object.entries(texts).map(([name, content]) => [name, { content, mode: 0o444 }]),
            ),
            user,
          ),
        ),
      },
      { parent: this },
    );
  }

  #alertmanagerFiles(): Folder {
    const { receivers, watchdog, pushHook } = this.#args;
    const secrets = Object.fromEntries([
      ...receivers.flatMap(({ secret }, index) =>
        secret === undefined ? [] : [[secretFile(index), secret]],
      ),
      ...(watchdog === undefined ? [] : [[WATCHDOG_FILE, watchdog.url]]),
      ...(pushHook === undefined ? [] : [[PUSH_FILE, pushHook]]),
    ]) as Record<string, pulumi.Output<string>>;
    const config = renderAlertmanager(receivers, { watchdog, isPushed: pushHook !== undefined });
    return this.#folders.createFiles(
      "alertmanager",
      { "alertmanager.yml": config, "omniai.tmpl": TEMPLATES },
      secrets,
    );
  }
}

type Part = Omit<WorkloadArgs, "engine" | "dependsOn"> & { readonly folders: readonly Folder[] };

const replicasOf = (own: Readonly<Record<string, Workload>>): Record<string, readonly Replica[]> =>
  Object.fromEntries(Object.entries(own).map(([name, workload]) => [name, workload.replicas]));

const inFolder = (folder: string, files: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [`${folder}/${name}`, content]));
