/** The networks of a stack on the engine. */
import type Docker from "dockerode";
import { byStack } from "./stack-filter.ts";

export interface NetworkView {
  readonly id: string;
  readonly name: string;
  readonly created: string;
}

export async function listNetworks(docker: Docker, stack: string): Promise<NetworkView[]> {
  const networks = await docker.listNetworks(byStack(stack));
  return networks.map(({ Id, Name, Created }) => ({ id: Id, name: Name, created: Created }));
}
