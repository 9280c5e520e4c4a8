/** What a rebuild puts where the room for certificates looks, on the real engine. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import Docker from "dockerode";
import {
  certificatesVolume,
  COPY_FILE,
  copyVolumeName,
} from "../../../infra/components/certificates/copy-volume.ts";
import { putCertificates } from "../../commands/rebuild/certificates.ts";
import { readSettings } from "../../stack/settings.ts";

const ROOT = join(import.meta.dirname, "../../..");
const docker = (...args: string[]): string => execFileSync("docker", args, { encoding: "utf8" }).trim();

describe("the certificates of a rebuilt stack @engine", function () {
  this.timeout(60_000);
  const stack = `certs-${process.pid}`;
  after(() => void docker("volume", "rm", "-f", copyVolumeName(stack), certificatesVolume(stack)));

  it("lie in the volume that the program declares, for the room and the backup room alone, and can be put there twice", async () => {
    const image = readSettings(ROOT, "dev").config.nginxImage ?? "";
    const engine = new Docker();
    const content = randomBytes(70_000);
    await putCertificates(engine, stack, randomBytes(10));
    await putCertificates(engine, stack, content);
    const volume = ["run", "--rm", "--network", "none", "-v", `${copyVolumeName(stack)}:/files`];
    const look = `stat -c '%a %u:%g' /files/kept /files/${COPY_FILE}; sha256sum < /files/${COPY_FILE}`;
    const seen = docker(...volume, "--user", "999:999", "--entrypoint", "sh", image, "-c", look);
    const hash = createHash("sha256").update(content).digest("hex");
    assert.equal(seen, `755 101:999\n440 101:999\n${hash}  -`);
    assert.throws(
      () => docker(...volume, "--user", "1000:1000", "--entrypoint", "cat", image, `/files/${COPY_FILE}`),
      /Permission denied/,
    );
    // From here on a room has run.
    docker("volume", "create", certificatesVolume(stack));
    await putCertificates(engine, stack, randomBytes(10));
    assert.equal(docker(...volume, "--user", "999:999", "--entrypoint", "sh", image, "-c", look), seen);
  });
});
