/** The folders of the host that a container sees. */
import { knownFirst, type ContainerProps } from "./rule.ts";

export const hostPaths = (props: ContainerProps): string[] => [
  ...[...knownFirst(props.volumes)].map(({ hostPath }) => hostPath ?? "").filter((path) => path !== ""),
  ...[...knownFirst(props.mounts)].filter(({ type }) => type === "bind").map(({ source }) => source ?? ""),
];
