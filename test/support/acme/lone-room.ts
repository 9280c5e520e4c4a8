/** The room for certificates without an edge: for what is between it, the authority and the DNS. */
import { randomBytes } from "node:crypto";
import { docker, Room, roomImage, type RoomArgs } from "./room.ts";

export interface LoneRoom {
  readonly room: Room;
  remove(): Promise<void>;
}

/**
 * @param hosts of the certificate.
 * @param given starts the authority at an address of this machine that the room reaches, and says how the room gets there.
 */
export async function startLoneRoom(
  hosts: readonly string[],
  given: (address: string) => Promise<Pick<RoomArgs, "directory" | "authority" | "cloudflare">>,
): Promise<LoneRoom> {
  const name = `omniai-acme-test-${randomBytes(4).toString("hex")}`;
  const image = await roomImage();
  let room: Room | undefined;
  const remove = async (): Promise<void> => {
    await room?.remove();
    await docker("network", "rm", name);
    await docker("volume", "rm", "-f", name);
  };
  await docker("network", "create", name);
  try {
    await docker("volume", "create", name);
    await docker(
      ...["run", "--rm", "--network", "none", "--user", "0:0", "-v", `${name}:/files`],
      ...["--entrypoint", "chown", image, "101:101", "/files"],
    );
    const address = await docker(
      ...["inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "--type", "network", name],
    );
    room = await Room.start({
      ...{ image, hosts, edge: name, network: name, handover: name },
      ...(await given(address)),
    });
    return { room, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
