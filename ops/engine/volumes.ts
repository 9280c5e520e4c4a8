/** The volumes of a stack on the engine. */
import type Docker from "dockerode";
import { CHANGES_LABEL, DATA_LABEL, WORKLOAD_LABEL } from "../../infra/resources/labels.ts";
import { byStack } from "./stack-filter.ts";
import { within } from "./within.ts";

export interface VolumeView {
  readonly name: string;
  readonly workload?: string;
  readonly data: boolean;
  readonly mountpoint: string;
  /** In bytes; undefined when the engine was not asked or took too long. */
  readonly size?: number;
}

/** Those that containers use; the ones that keep the stack's changes are left out. */
export async function listVolumes(docker: Docker, stack: string): Promise<VolumeView[]> {
  const { Volumes } = await docker.listVolumes(byStack(stack));
  return (Volumes ?? [])
    .filter(({ Labels }) => Labels?.[CHANGES_LABEL] === undefined)
    .map((volume) => ({
      name: volume.Name,
      workload: volume.Labels?.[WORKLOAD_LABEL],
      data: volume.Labels?.[DATA_LABEL] === "true",
      mountpoint: volume.Mountpoint,
    }))
    .sort((left, right) => left.name.localeCompare(right.name));
}

interface DiskUsage {
  readonly Volumes?: readonly { Name: string; UsageData?: { Size: number } | null }[] | null;
}

/** Sizes by volume name. The engine walks the volumes for it, which may take long: undefined when it takes too long. */
export async function volumeSizes(
  docker: Docker,
  milliseconds: number,
): Promise<Map<string, number> | undefined> {
  const sizes = async (): Promise<Map<string, number>> => {
    // From API 1.42 on it walks only what is asked for; `docker.df` cannot say that.
    const usage = await new Promise<DiskUsage>((resolve, reject) => {
      docker.modem.dial(
        {
          path: "/system/df?",
          method: "GET",
          options: { type: "volume" },
          statusCodes: { 200: true, 500: "server error" },
        },
        (error: Error | null, answer: unknown) => (error ? reject(error) : resolve(answer as DiskUsage)),
      );
    });
    return new Map((usage.Volumes ?? []).map(({ Name, UsageData }) => [Name, UsageData?.Size ?? 0]));
  };
  return within(
    milliseconds,
    sizes().catch(() => undefined),
    () => undefined,
  );
}
