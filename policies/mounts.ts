/** The folders of the host that a container or a volume leads to. */
import { posix } from "node:path";
import { CONTAINER, knownFirst, VOLUME, type ContainerProps, type Inspected } from "./rule.ts";

/** The types whose properties may name folders of the host. */
export const MOUNTING = [CONTAINER, VOLUME] as const;

interface VolumeProps {
  readonly driverOpts?: Readonly<Record<string, string>>;
}

/** A path as the kernel reads it: single slashes, no dots, no slash at the end. */
function normal(path: string): string {
  const normalized = posix.normalize(path).replace(/^\/\/+/, "/");
  return normalized.length > 1 ? normalized.replace(/\/$/, "") : normalized;
}

/** `device` with a path makes a volume of the local driver a bind mount, or a disk; one of NFS begins with a colon. */
const deviceOf = (options: Readonly<Record<string, string>> | undefined): string => options?.["device"] ?? "";

/** A folder of the host, and whether it is certain that nothing can be written there. */
interface HostPath {
  readonly path: string;
  readonly readOnly: boolean;
}

function* written({ type, props }: Inspected): Iterable<HostPath> {
  const writable = (path: string): HostPath => ({ path, readOnly: false });
  if (type === VOLUME) {
    yield writable(deviceOf((props as VolumeProps).driverOpts));
    return;
  }
  const { volumes, mounts } = props as unknown as ContainerProps;
  // A volume whose name is a path is a bind mount: the provider writes both as source:target.
  for (const { hostPath, volumeName, readOnly } of knownFirst(volumes))
    yield { path: hostPath || (volumeName ?? ""), readOnly: readOnly === true };
  for (const { type: kind, source, volumeOptions } of knownFirst(mounts)) {
    yield writable(kind === "bind" || source?.startsWith("/") ? (source ?? "") : "");
    yield writable(deviceOf(volumeOptions?.driverOptions));
  }
}

/** The absolute paths, each in its normal form. */
export function* hostMounts(resource: Inspected): Iterable<HostPath> {
  for (const { path, readOnly } of written(resource))
    if (path.startsWith("/")) yield { path: normal(path), readOnly };
}

/** The same, only the paths. */
export function* hostPaths(resource: Inspected): Iterable<string> {
  for (const { path } of hostMounts(resource)) yield path;
}

/** Whether who sees `folder` sees `path`: it is that folder, or lies in it. */
export const contains = (folder: string, path: string): boolean =>
  folder === "/" || path === folder || path.startsWith(`${folder}/`);
