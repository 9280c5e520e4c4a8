/**
 * Rule container-engine-socket. Whoever can talk to the engine is root on the host, even where the socket is mounted
 * read-only.
 */
import { contains, hostPaths, MOUNTING } from "../mounts.ts";
import { CONTAINER, knownFirst, resourceRule, type ContainerProps, type Props } from "../rule.ts";

/** Where engines listen; /var/run is /run. */
const FOLDERS = ["/run", "/run/docker", "/run/containerd", "/run/podman"];
const socket = /(docker|containerd|podman|crio)[\w-]*\.sock/;

const isEngine = (path: string): boolean => {
  const short = path.replace(/^\/var\/run(?=\/|$)/, "/run");
  return socket.test(path) || FOLDERS.some((folder) => contains(short, folder)) || short === "/var";
};

export const containerEngineSocket = resourceRule<Props>(MOUNTING, {
  name: "container-engine-socket",
  title: "No container reaches the engine's socket.",
  source: "CIS Docker 5.32",
  remedy: "Remove the mount; a container that needs the engine gets a filtering proxy.",

  *check(resource) {
    const { type, props } = resource;
    const volumes = type === CONTAINER ? (props as unknown as ContainerProps).volumes : undefined;
    const inside = [...knownFirst(volumes)].map(({ containerPath }) => containerPath ?? "");
    for (const path of [...hostPaths(resource), ...inside.filter((path) => socket.test(path))]) {
      if (isEngine(path)) yield `it mounts ${path}, where the engine listens.`;
    }
  },
});
