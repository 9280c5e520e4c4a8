/** What a stack has on the engine: its networks, volumes, containers and images, and the secrets in its files. */
import type Docker from "dockerode";
import { EDGE_FOLDER } from "../../../infra/components/edge/switch.ts";
import { CONFIG_LABEL, WORKLOAD_LABEL } from "../../../infra/resources/labels.ts";
import { DATA_WORKLOADS, dataVolumeName, identityName } from "../../../infra/resources/volume.ts";
import { unlessGone } from "../../engine/connection.ts";
import { byStack } from "../../engine/stack-filter.ts";
import { readContainerFile, readVolumeFile } from "../../engine/volume-file.ts";
import { readIdentity } from "../../stack/exchange-stage.ts";
import { isMapping } from "../../stack/json.ts";
import { nameOf, types } from "../../stack/state.ts";
import { declaredFacts, differences, liveFacts, type ImageDefaults } from "../drift/facts.ts";
import { best } from "./candidates.ts";
import { carriedOut, type EngineFacts } from "./commands.ts";
import { inventedName, newId, secretOutput, type Found, type Planned } from "./entries.ts";
import { passwordFiles, type SecretFile } from "./passwords.ts";

type Labels = Readonly<Record<string, string>>;

interface LabelledVolume {
  readonly name: string;
  readonly labels: Labels;
  readonly mountpoint: string;
}

export class StackOnEngine {
  readonly #docker: Docker;
  readonly #stack: string;
  readonly containers: readonly Docker.ContainerInspectInfo[];
  readonly volumes: readonly LabelledVolume[];
  readonly #networks: ReadonlyMap<string, string>;
  readonly #engine: EngineFacts;

  private constructor(
    docker: Docker,
    stack: string,
    containers: readonly Docker.ContainerInspectInfo[],
    volumes: readonly LabelledVolume[],
    networks: ReadonlyMap<string, string>,
    engine: EngineFacts,
  ) {
    this.#docker = docker;
    this.#stack = stack;
    this.containers = containers;
    this.volumes = volumes;
    this.#networks = networks;
    this.#engine = engine;
  }

  static async look(docker: Docker, stack: string): Promise<StackOnEngine> {
    const listed = await docker.listContainers({ all: true, ...byStack(stack) });
    const containers = await Promise.all(
      listed.map(({ Id }) => unlessGone(docker.getContainer(Id).inspect())),
    );
    const { Volumes } = await docker.listVolumes(byStack(stack));
    const networks = await docker.listNetworks(byStack(stack));
    return new StackOnEngine(
      docker,
      stack,
      containers.filter((container) => container !== undefined),
      (Volumes ?? []).map(({ Name, Labels, Mountpoint }) => ({
        name: Name,
        labels: Labels,
        mountpoint: Mountpoint,
      })),
      new Map(networks.map(({ Name, Id }) => [Name, Id])),
      (await docker.info()) as EngineFacts,
    );
  }

  /** What of the stack is there for a planned resource; undefined when it has to be made. */
  async find(planned: Planned): Promise<Found | undefined> {
    switch (planned.type) {
      case "docker:index/network:Network":
        return this.#network(planned);
      case types.volume:
        return this.#volume(planned);
      case "docker:index/remoteImage:RemoteImage":
        return this.#image(planned);
      case types.container:
        return this.#container(planned);
      case "random:index/randomPassword:RandomPassword":
        return this.#password(planned);
      case types.uuid:
        return this.#identity(planned);
      case types.command:
        return this.#command(planned);
      default:
        return undefined;
    }
  }

  #network({ inputs }: Planned): Found | undefined {
    const id = this.#networks.get(String(inputs["name"]));
    return id === undefined ? undefined : { id };
  }

  #volume(planned: Planned): Found | undefined {
    const { inputs } = planned;
    const wanted = labelsIn(inputs["labels"]);
    const [found] = this.volumes.filter(({ name, labels }) =>
      inventedName(planned) === undefined ? name === inputs["name"] : sameLabels(labels, wanted),
    );
    if (found === undefined) return undefined;
    const outputs = { driver: "local", mountpoint: found.mountpoint };
    return { id: found.name, inputs: { name: found.name }, outputs };
  }

  async #image({ inputs }: Planned): Promise<Found | undefined> {
    const name = String(inputs["name"]);
    const info = await unlessGone(this.#docker.getImage(name).inspect());
    if (info === undefined) return undefined;
    return {
      id: `${info.Id}${name}`,
      outputs: { imageId: info.Id, repoDigest: info.RepoDigests?.[0] ?? "" },
    };
  }

  /** One that is not as the plan says gets the variables that it has, which Pulumi sees as a change. */
  async #container({ inputs }: Planned): Promise<Found | undefined> {
    const wanted = labelsIn(inputs["labels"]);
    const info = best(this.containers, wanted, inputs["image"]);
    if (info === undefined) return undefined;
    const name = info.Name.replace(/^\//, "");
    const image = await unlessGone(this.#docker.getImage(info.Image).inspect());
    const declared = declaredFacts({ ...inputs, name }, undefined, (image?.Config ?? {}) as ImageDefaults);
    const differs = differences(name, declared, liveFacts(info)).length > 0;
    const networkDatas = Object.entries(info.NetworkSettings.Networks).map(([networkName, network]) => ({
      networkName,
      ipAddress: network.IPAddress,
    }));
    return {
      id: info.Id,
      inputs: { name },
      outputs: { networkDatas, ...(differs ? { envs: info.Config.Env } : {}) },
    };
  }

  async #password({ urn, inputs }: Planned): Promise<Found | undefined> {
    const place = passwordFiles(this.#stack)[nameOf(urn)];
    const result = place && (await this.#read(place));
    if (result === undefined) return undefined;
    const counts = { minLower: 0, minNumeric: 0, minSpecial: 0, minUpper: 0 };
    const kinds = { lower: true, number: true, numeric: true, upper: true };
    return {
      id: "none",
      outputs: {
        ...counts,
        ...kinds,
        ...inputs,
        __meta: '{"schema_version":"3"}',
        id: "none",
        // Nobody asks for it, and only the provider could make it.
        bcryptHash: secretOutput(""),
        result: secretOutput(result),
      },
    };
  }

  async #identity({ urn }: Planned): Promise<Found | undefined> {
    for (const workload of DATA_WORKLOADS) {
      if (nameOf(urn) !== identityName(this.#stack, workload)) continue;
      const volume = dataVolumeName(this.#stack, workload);
      if (!this.volumes.some(({ name }) => name === volume)) return undefined;
      const result = await readIdentity({ docker: this.#docker, stack: this.#stack }, workload);
      return result === undefined ? undefined : { id: result, outputs: { result } };
    }
    return undefined;
  }

  async #command(planned: Planned): Promise<Found | undefined> {
    const name = nameOf(planned.urn);
    const id = `${name}${newId().slice(0, 8)}`;
    if (name !== `omniai-${this.#stack}-edge-certificate`) {
      const { containers } = this;
      const stdout = carriedOut(planned, { stack: this.#stack, containers, engine: this.#engine });
      return stdout === undefined ? undefined : { id, outputs: { stdout, stderr: "" } };
    }
    const [edge] = this.containers.filter(({ Config }) => Config.Labels[WORKLOAD_LABEL] === "edge");
    const container = edge && this.#docker.getContainer(edge.Id);
    const read = (file: string): Promise<string | undefined> | undefined =>
      container && readContainerFile(container, `${EDGE_FOLDER}/current/tls/${file}`);
    const [certificate, key] = [await read("certificate.pem"), await read("key.pem")];
    if (certificate === undefined || key === undefined) return undefined;
    const stdout = secretOutput(JSON.stringify({ certificate, key }));
    return { id, outputs: { stdout, stderr: secretOutput("") } };
  }

  /** A file of a workload, out of the newest volume of its files. */
  async #read({ workload, file, pick = (text) => text }: SecretFile): Promise<string | undefined> {
    const mounted = new Set(this.containers.flatMap(({ Mounts }) => Mounts.map(({ Name }) => Name)));
    const candidates = this.volumes
      .filter(({ labels }) => labels[WORKLOAD_LABEL] === workload && labels[CONFIG_LABEL] !== undefined)
      .sort((left, right) => Number(mounted.has(right.name)) - Number(mounted.has(left.name)));
    for (const { name } of candidates) {
      const content = await readVolumeFile(this.#docker, { stack: this.#stack, volume: name, path: file });
      const secret = content === undefined ? undefined : pick(content);
      if (secret !== undefined) return secret;
    }
    return undefined;
  }
}

function labelsIn(list: unknown): Labels {
  const labels: Record<string, string> = {};
  for (const entry of Array.isArray(list) ? (list as unknown[]) : [])
    if (isMapping(entry)) labels[String(entry["label"])] = String(entry["value"]);
  return labels;
}

const sameLabels = (left: Labels, right: Labels): boolean =>
  Object.keys({ ...left, ...right }).every((label) => left[label] === right[label]);
