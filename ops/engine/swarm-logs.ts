/** The lines of a stack's services on all nodes of its swarm, each with the task and the node that it is of. */
import type Docker from "dockerode";
import { unlessGone } from "./connection.ts";
import { isOver, listNodes, nameOfNode, requireManager, type SwarmNode, type SwarmTask } from "./nodes.ts";
import { followServiceLog, readServiceLog, type LogPiece, type LogRange } from "./service-log.ts";
import { listServices, listTasks, workloadOf, type SwarmService } from "./services.ts";

/** One line, and whose it is. */
export interface SwarmLine {
  readonly workload: string;
  /** From 1; 0 for the only one on its node. */
  readonly replica: number;
  /** backend.2@worker-1 */
  readonly label: string;
  readonly text: string;
}

type Source = Omit<SwarmLine, "text">;

/** A stack's services, and which of their tasks write what is shown. */
export class SwarmLogs {
  readonly #docker: Docker;
  readonly #services: readonly SwarmService[];
  readonly #nodes: Map<string, string>;
  /** Undefined for a task whose lines are not shown. */
  readonly #sources = new Map<string, Promise<Source | undefined>>();

  private constructor(
    docker: Docker,
    { services, tasks, nodes }: { services: SwarmService[]; tasks: SwarmTask[]; nodes: SwarmNode[] },
  ) {
    this.#docker = docker;
    this.#services = services.filter((service) => workloadOf(service) !== undefined);
    this.#nodes = new Map(nodes.map((node) => [node.ID, nameOfNode(node)]));
    for (const task of tasks) {
      // Like a container that was replaced, its task is gone. One that failed says why another one begins.
      const isShown = !isOver(task) || ["failed", "rejected"].includes(task.Status.State);
      this.#sources.set(task.ID, Promise.resolve(isShown ? this.#sourceOf(task) : undefined));
    }
  }

  /** @throws OpsError where the engine is no manager */
  static async open(docker: Docker, stack: string): Promise<SwarmLogs> {
    await requireManager(docker);
    const [services, tasks, nodes] = await Promise.all([
      listServices(docker, stack),
      listTasks(docker, stack),
      listNodes(docker),
    ]);
    return new SwarmLogs(docker, { services, tasks, nodes });
  }

  get workloads(): string[] {
    return this.#services.flatMap((service) => workloadOf(service) ?? []).sort();
  }

  /** How long the labels are that are known now. */
  async width(): Promise<number> {
    const sources = await Promise.all(this.#sources.values());
    return Math.max(0, ...sources.map((source) => source?.label.length ?? 0));
  }

  /**
   * @param workload undefined: of all
   * @returns the lines, task after task, and why some are missing, a sentence each
   */
  async read(
    workload: string | undefined,
    range: LogRange,
  ): Promise<{ readonly lines: readonly SwarmLine[]; readonly missing: readonly string[] }> {
    const lines: SwarmLine[] = [];
    const missing: string[] = [];
    const read = await Promise.all(
      this.#chosen(workload).map(async (service) => ({
        service,
        pieces: await readServiceLog(this.#docker, service.ID, range),
      })),
    );
    for (const { service, pieces } of read)
      for (const piece of pieces) {
        if ("missing" in piece) missing.push(this.#tell(service, piece.missing));
        else lines.push(...(await this.#labelled(piece)));
      }
    // The sort is stable: each task's lines stay in their order.
    return {
      lines: lines.sort((left, right) => left.label.localeCompare(right.label)),
      missing: [...new Set(missing)],
    };
  }

  /**
   * Hands on what is written, also by tasks that begin later.
   * @returns when the manager has ended all logs
   */
  async follow(
    workload: string | undefined,
    range: LogRange,
    onLine: (line: SwarmLine) => void,
    onMissing: (what: string) => void,
  ): Promise<void> {
    await Promise.all(
      this.#chosen(workload).map((service) =>
        followServiceLog(this.#docker, service.ID, range, (piece) => {
          if ("missing" in piece) return onMissing(this.#tell(service, piece.missing));
          // What waits for the same answer goes on in its order.
          void this.#labelled(piece).then((lines) => lines.forEach(onLine));
        }),
      ),
    );
  }

  #chosen(workload: string | undefined): SwarmService[] {
    return this.#services.filter((service) => workload === undefined || workloadOf(service) === workload);
  }

  async #labelled(piece: Exclude<LogPiece, { missing: string }>): Promise<SwarmLine[]> {
    let source = this.#sources.get(piece.task);
    if (source === undefined) {
      // It began after the tasks were listed.
      source = this.#inspect(piece.task);
      this.#sources.set(piece.task, source);
    }
    const known = await source;
    return known === undefined ? [] : [{ ...known, text: piece.text }];
  }

  async #inspect(id: string): Promise<Source> {
    const unknown = { workload: "(no workload)", replica: 0, label: id };
    try {
      const task = (await unlessGone(this.#docker.getTask(id).inspect())) as SwarmTask | undefined;
      if (task === undefined) return unknown;
      if (!this.#nodes.has(task.NodeID ?? ""))
        for (const node of await listNodes(this.#docker)) this.#nodes.set(node.ID, nameOfNode(node));
      return this.#sourceOf(task);
    } catch {
      // A manager that is away for a moment is no reason to drop what a task has written.
      return unknown;
    }
  }

  #sourceOf({ ServiceID, Slot = 0, NodeID = "" }: SwarmTask): Source {
    const service = this.#services.find(({ ID }) => ID === ServiceID);
    const workload = (service && workloadOf(service)) ?? "(no workload)";
    const node = this.#nodes.get(NodeID) ?? NodeID;
    const label = `${workload}${Slot === 0 ? "" : `.${Slot}`}${node === "" ? "" : `@${node}`}`;
    return { workload, replica: Slot, label };
  }

  #tell({ Spec }: SwarmService, reason: string): string {
    const words = [...this.#nodes].reduce((text, [id, name]) => text.replaceAll(id, name), reason);
    return `Some lines of ${Spec.Name} are missing: ${words}.`;
  }
}
