/** What an exchange that was left running, or half kept, has on the engine: the next run ends it first. */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import Docker from "dockerode";
import { packFiles } from "../../../infra/resources/archive.ts";
import { keepAside, scriptRunner } from "../../commands/restore/exchange.ts";
import { PARTIAL } from "../../commands/restore/exchange-scripts.ts";
import { redisStore } from "../../commands/restore/stores.ts";
import { unlessGone } from "../../engine/connection.ts";
import { EXCHANGE } from "../../stack/exchange-stage.ts";

describe("an exchange on the engine @engine", () => {
  const docker = new Docker();
  const stack = `test-exchange-${randomBytes(4).toString("hex")}`;
  const name = `omniai-${stack}-redis-exchange`;
  const data = `omniai-${stack}-redis-data`;
  let image: string;

  const put = async (volume: string, ...files: readonly string[]): Promise<void> => {
    await docker.createVolume({ Name: volume, Labels: { "io.omniai.stack": stack } });
    const HostConfig = { Binds: [`${volume}:/data:nocopy`] };
    const container = await docker.createContainer({ Image: image, Cmd: ["-"], HostConfig });
    const tar = await packFiles(Object.fromEntries(files.map((file) => [file, { content: "" }])), {
      uid: 0,
      gid: 0,
    });
    await container.putArchive(Buffer.from(tar, "base64"), { path: "/data" });
    await container.remove({ force: true });
  };
  const kept = async (): Promise<string[]> =>
    (await docker.listVolumes()).Volumes.map((volume) => volume.Name)
      .filter((volume) => volume.startsWith(`omniai-${stack}-redis-replaced-`))
      .sort();

  before(async () => {
    const [found] = await docker.listImages();
    image = found?.Id ?? assert.fail("the engine has no image");
  });
  after(async () => {
    await unlessGone(docker.getContainer(name).remove({ force: true }));
    for (const volume of [data, `omniai-${stack}-backup-data`, ...(await kept())])
      await unlessGone(docker.getVolume(volume).remove());
  });

  it("has one name, so that a script of a client that is gone is ended before the next begins", async () => {
    const { id } = await docker.createContainer({ name, Image: image, Cmd: ["-"] });
    // Whether the image has a shell is not asked here.
    await scriptRunner(docker, stack, "redis", image)("true").catch(() => undefined);
    assert.equal(await unlessGone(docker.getContainer(id).inspect()), undefined);
    assert.equal(await unlessGone(docker.getContainer(name).inspect()), undefined);
  });

  it("whose old data cannot be kept leaves no part of it for the whole, and says what keeps it", async () => {
    await put(data, EXCHANGE);
    const whole = `omniai-${stack}-redis-replaced-20260101T000000`;
    await put(whole, "appendonly.aof");
    await put(`omniai-${stack}-redis-replaced-20260102T000000`, PARTIAL);
    const run = (): Promise<void> => Promise.reject(new Error("no space left on device"));
    await assert.rejects(
      keepAside({ docker, stack }, redisStore, run, "npm run again"),
      (error: { message: string; remedy: string }) =>
        /could not be copied.*no space left/.test(error.message) &&
        error.remedy.includes(data) &&
        error.remedy.endsWith("npm run again"),
    );
    assert.deepEqual(await kept(), [whole]);
  });
});
