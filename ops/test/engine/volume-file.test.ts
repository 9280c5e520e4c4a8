/** What ops reads of volumes and keeps in them, on the real engine. */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { packFiles } from "../../../infra/resources/archive.ts";
import { readChangesVolumes, writeChangesVolume } from "../../engine/changes.ts";
import { createOfAnyImage, readVolumeFile } from "../../engine/volume-file.ts";
import { listVolumes } from "../../engine/volumes.ts";
import { Audit } from "../../stack/audit.ts";
import { planBackend } from "../../stack/backend.ts";
import { followChange, publishWhenEnded } from "../../stack/changes.ts";
import { publishAudit, publishAuditWith } from "../../stack/this-process.ts";
import { OpsError } from "../../terminal/errors.ts";

describe("volumes @engine", () => {
  const docker = new Docker();
  const stack = `test-volumes-${randomBytes(4).toString("hex")}`;
  const Labels = { "io.omniai.stack": stack };
  after(async () => {
    const { Volumes } = await docker.listVolumes({
      filters: JSON.stringify({ label: [`io.omniai.stack=${stack}`] }),
    });
    for (const { Name } of Volumes ?? []) await docker.getVolume(Name).remove();
  });

  const create = async (options: Docker.ContainerCreateOptions = {}): Promise<Docker.Container> =>
    (await createOfAnyImage(docker, { Cmd: ["-"], ...options })) ?? assert.fail("the engine has no image");
  const read = (path: string): Promise<string | undefined> =>
    readVolumeFile(docker, { stack, volume: `${stack}-data`, path });

  it("are not made by a look at one that is not there", async () => {
    const volume = `${stack}-missing`;
    assert.equal(await readVolumeFile(docker, { stack, volume, path: ".identity" }), undefined);
    await assert.rejects(docker.getVolume(volume).inspect(), /no such volume/i);
  });

  it("are read with a container on them and without, and stay as they are", async () => {
    await docker.createVolume({ Name: `${stack}-data`, Labels });
    const container = await create({ HostConfig: { Binds: [`${stack}-data:/mounted:nocopy`] } });
    try {
      assert.equal(await read(".identity"), undefined);
      const tar = await packFiles({ ".identity": { content: "mine\n" } }, { uid: 0, gid: 0 });
      await container.putArchive(Buffer.from(tar, "base64"), { path: "/mounted" });
      assert.equal(await read(".identity"), "mine\n");
    } finally {
      await container.remove({ force: true });
    }
    assert.equal(await read(".identity"), "mine\n");
    assert.equal(await read("other"), undefined);
    const left = await docker.listContainers({ all: true, filters: { volume: [`${stack}-data`] } });
    assert.deepEqual(left, [], "it leaves no container");
  });

  it("are looked at with what the next run clears if this one is killed, and nothing stays of it", async () => {
    const volume = `${stack}-looked`;
    await docker.createVolume({ Name: volume, Labels });
    const base = await create();
    const own = (await base.commit({ changes: "VOLUME /of-the-image" })) as { Id: string };
    await base.remove({ v: true });
    const { Config } = await docker.getImage(own.Id).inspect();
    const ofImage = Object.keys(Config.Volumes ?? {}).length;
    const made: Docker.ContainerInspectInfo[] = [];
    // The real engine, which offers this image only.
    const watched = Object.assign(Object.create(docker) as Docker, {
      listImages: () => docker.listImages().then((all) => all.filter(({ Id }) => Id === own.Id)),
      createContainer: async (options: Docker.ContainerCreateOptions) => {
        const container = await docker.createContainer(options);
        made.push(await container.inspect());
        return container;
      },
    });
    try {
      assert.equal(await readVolumeFile(watched, { stack, volume, path: "none" }), undefined);
      assert.equal(made[0]?.Config.Labels["io.omniai.stack"], stack);
      const names = made.flatMap(({ Mounts }) => Mounts.map(({ Name }) => Name ?? ""));
      assert.ok(ofImage > 0);
      assert.equal(names.length, 1 + ofImage, "the image has volumes of its own");
      const { Volumes } = await docker.listVolumes();
      const left = Volumes.map(({ Name }) => Name).filter((name) => names.includes(name));
      assert.deepEqual(left, [volume]);
    } finally {
      await docker.getImage(own.Id).remove({ force: true });
    }
  });

  it("are read though the image or the container to look with was removed since it was listed", async () => {
    const volume = `${stack}-raced`;
    await docker.createVolume({ Name: volume, Labels });
    const holder = await create({ HostConfig: { Binds: [`${volume}:/mounted:nocopy`] } });
    const tar = await packFiles({ ".identity": { content: "mine\n" } }, { uid: 0, gid: 0 });
    await holder.putArchive(Buffer.from(tar, "base64"), { path: "/mounted" });
    const base = await create();
    const image = (await base.commit()) as { Id: string };
    const [images, containers] = await Promise.all([
      docker.listImages(),
      docker.listContainers({ all: true, filters: { volume: [volume] } }),
    ]);
    await Promise.all([
      holder.remove({ v: true }),
      base.remove({ v: true }),
      docker.getImage(image.Id).remove(),
    ]);
    const late = Object.assign(Object.create(docker) as Docker, {
      listImages: () => Promise.resolve([{ Id: image.Id }, ...images]),
      listContainers: () => Promise.resolve(containers),
    });
    assert.equal(await readVolumeFile(late, { stack, volume, path: ".identity" }), "mine\n");
  });

  it("are not called empty where nothing can look into them", async () => {
    const volume = `${stack}-unseen`;
    await docker.createVolume({ Name: volume, Labels });
    let images: Docker.ImageInfo[] = [];
    const bare = Object.assign(Object.create(docker) as Docker, {
      listImages: () => Promise.resolve(images),
    });
    await assert.rejects(readVolumeFile(bare, { stack, volume, path: "none" }), (error) => {
      assert.ok(error instanceof OpsError);
      assert.match(error.message, /Nobody can look into volume .*-unseen.*not known/);
      assert.match(error.remedy, /docker pull/);
      return true;
    });
    const bring = async (): Promise<void> => {
      images = (await docker.listImages()).slice(0, 1);
    };
    assert.equal(await readVolumeFile(bare, { stack, volume, path: "none" }, bring), undefined);
  });

  it("get a stack's changes only once it is sure that their engine is the stack's", async () => {
    const stateDir = mkdtempSync(join(tmpdir(), "omniai-changes-"));
    const place = { stack: `${stack}-c`, backend: { ...planBackend(stateDir, {}), stateDir } };
    const kept = async () => (await readChangesVolumes(docker, place.stack)).map(({ volume }) => volume);
    try {
      const audit = new Audit(stateDir, place.stack, "up");
      await followChange(docker, place, audit);
      audit.end("failed", "another engine");
      await publishAudit();
      assert.deepEqual(await kept(), [], "a command that was refused");
      publishWhenEnded({ docker, ...place });
      await publishAudit();
      assert.equal((await kept()).length, 1);
    } finally {
      publishAuditWith(undefined);
      for (const name of await kept()) await docker.getVolume(name).remove();
      rmSync(stateDir, { recursive: true });
    }
  });

  it("keep the changes of a stack, also when two machines write at the same time", async () => {
    await writeChangesVolume(docker, stack, "first", []);
    const read = await readChangesVolumes(docker, stack);
    await Promise.all(["left", "right"].map((text) => writeChangesVolume(docker, stack, text, read)));
    const both = await readChangesVolumes(docker, stack);
    assert.deepEqual(both.map(({ text }) => text).sort(), ["left", "right"]);
    await writeChangesVolume(docker, stack, "left and right", both);
    assert.deepEqual(
      (await readChangesVolumes(docker)).filter((one) => one.stack === stack).map(({ text }) => text),
      ["left and right"],
    );
    const known = (await listVolumes(docker, stack)).map(({ name }) => name);
    assert.ok(known.includes(`${stack}-data`));
    assert.deepEqual(
      known.filter((name) => name.includes("-changes-")),
      [],
      "nobody takes it for one of the stack's volumes",
    );
  });
});
