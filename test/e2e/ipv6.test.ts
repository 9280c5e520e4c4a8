/**
 * Visitors of both families, on an engine that translates IPv6: a second one, in a network of its own, because that of the machine
 * may not. The edge has the networks of the program, with their names.
 */
import { strict as assert } from "node:assert";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCertificate } from "../../infra/components/edge/certificate.ts";
import { keepAliveLadder } from "../../infra/components/edge/ladder.ts";
import {
  HTTP_PORT,
  HTTPS_PORT,
  renderNginx,
  SECOND_HTTP_PORT,
  SECOND_HTTPS_PORT,
} from "../../infra/components/edge/nginx.ts";
import { accessSubnets } from "../../infra/components/network/subnet.ts";
import { readSettings } from "../../ops/stack/settings.ts";
import { resolveDockerHost } from "../../tools/find/engine/index.ts";
import { findProgram } from "../../tools/host/path.mjs";
import { call, eventually } from "../support/http.ts";

const IMAGE = readSettings(join(import.meta.dirname, "../.."), "dev").config.nginxImage ?? "";
const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 2 ** 24,
  }).trim();

describe("an edge on both families", function () {
  this.timeout(180_000);
  const id = String(process.pid);
  /** Of this machine and of the engine's, on the line between them. */
  const group = (process.pid % 65536).toString(16);
  const visitor = { ipv4: `10.252.${process.pid % 250}.1`, ipv6: `fd6f:6d6e:${group}::1` };
  const machine = { ipv4: `10.252.${process.pid % 250}.2`, ipv6: `fd6f:6d6e:${group}::2` };
  const [here, there] = [`ov6h${id}`.slice(0, 15), `ov6t${id}`.slice(0, 15)];
  const space = `omniai-v6-${id}`;
  let folder: string;
  let engine: ChildProcess | undefined;
  const docker = (...args: string[]): string =>
    run("docker", "--host", `unix://${folder}/docker.sock`, ...args);

  before(async function () {
    if (process.getuid?.() !== 0 || !findProgram("dockerd", process.env)) {
      // CI is a Linux machine with an engine and runs as root, so there this test is never skipped.
      if (process.env["CI"] === "true")
        throw new Error("CI must run this test: root, Linux, dockerd on PATH");
      return this.skip();
    }
    // The name is short, because a unix socket's path has at most 107 characters.
    folder = mkdtempSync(join(tmpdir(), "o6-"));
    run("ip", "netns", "add", space);
    run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", space);
    for (const [device, { ipv4, ipv6 }, within] of [
      [here, visitor, []],
      [there, machine, ["-n", space]],
    ] as const) {
      run("ip", ...within, "address", "add", `${ipv4}/30`, "dev", device);
      run("ip", ...within, "-6", "address", "add", `${ipv6}/64`, "dev", device, "nodad");
      run("ip", ...within, "link", "set", device, "up");
    }
    run("ip", "-n", space, "link", "set", "lo", "up");
    writeFileSync(join(folder, "daemon.json"), "{}");
    engine = spawn(
      "nsenter",
      [
        ...[`--net=/run/netns/${space}`, "dockerd", "--experimental", "--ip6tables"],
        ...["--host", `unix://${folder}/docker.sock`, "--pidfile", join(folder, "docker.pid")],
        ...["--exec-root", join(folder, "exec"), "--data-root", join(folder, "data")],
        ...["--config-file", join(folder, "daemon.json"), "--containerd-namespace", space],
      ],
      { stdio: "ignore" },
    );
    await eventually("an engine", 60, () => docker("info") !== "");
    const from = spawn("docker", ["--host", await resolveDockerHost(process.env), "save", IMAGE], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const into = spawn("docker", ["--host", `unix://${folder}/docker.sock`, "load", "-q"], {
      stdio: [from.stdout, "ignore", "inherit"],
    });
    assert.equal(await new Promise((resolve) => into.on("close", resolve)), 0);
  });
  after(async () => {
    if (engine !== undefined) {
      const ended = new Promise((resolve) => engine?.once("exit", resolve));
      for (const name of docker("ps", "-aq").split("\n").filter(Boolean)) docker("rm", "-f", "-v", name);
      engine.kill();
      await ended;
    }
    if (folder === undefined) return;
    try {
      run("ip", "netns", "del", space);
    } catch {
      // It was never made.
    }
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n").reverse();
    for (const path of mounts.map((line) => line.split(" ")[1] ?? ""))
      if (path.startsWith(`${folder}/`)) run("umount", "-l", path);
    rmSync(folder, { recursive: true, force: true });
  });

  it("answers each at its own address, and sees whose it is", async () => {
    const release = join(folder, "release");
    mkdirSync(join(release, "tls"), { recursive: true });
    const pair = await createCertificate(["localhost"]);
    writeFileSync(join(release, "tls/certificate.pem"), pair.certificate);
    writeFileSync(join(release, "tls/key.pem"), pair.key);
    writeFileSync(
      join(release, "nginx.conf"),
      renderNginx({
        ...{ upstreams: [], upstreamPort: 1, keepAlive: keepAliveLadder(10), responseSeconds: 2, tls: true },
        ...{ corsOrigins: [], resourcePolicy: "cross-origin", hosts: [], release: "one" },
        ...{ ipv6: true, memory: 512 },
        limits: { connections: 100, requestRate: 100, streams: 100, streamRate: 100 },
      }),
    );
    run("chmod", "-R", "a+rX", folder);
    const subnets = accessSubnets("v6").flatMap(({ subnet, gateway }) => [
      "--subnet",
      subnet,
      "--gateway",
      gateway,
    ]);
    docker("network", "create", "omniai-v6-app");
    docker("network", "create", "omniai-v6-public");
    docker("network", "create", "--ipv6", ...subnets, "omniai-v6-access");
    const ports = [
      `${machine.ipv4}:${HTTP_PORT}:${HTTP_PORT}`,
      `${machine.ipv4}:${HTTPS_PORT}:${HTTPS_PORT}`,
      `[${machine.ipv6}]:${HTTP_PORT}:${SECOND_HTTP_PORT}`,
      `[${machine.ipv6}]:${HTTPS_PORT}:${SECOND_HTTPS_PORT}`,
    ].flatMap((port) => ["-p", port]);
    docker(
      ...["create", "--name", "edge", "--network", "omniai-v6-app", "--user", "101:101", "--read-only"],
      ...["--cap-drop", "ALL", "--tmpfs", "/tmp", "-v", `${release}:/release:ro`, ...ports],
      ...["--entrypoint", "nginx", IMAGE, "-c", "/release/nginx.conf", "-g", "daemon off;"],
    );
    for (const name of ["public", "access"]) docker("network", "connect", `omniai-v6-${name}`, "edge");
    docker("start", "edge");
    for (const address of [machine.ipv4, `[${machine.ipv6}]`]) {
      const at = (scheme: string, port: number) => `${scheme}://${address}:${port}/api/x`;
      await eventually(address, 60, async () => (await call(at("http", HTTP_PORT))).status === 503);
      assert.equal((await call(at("https", HTTPS_PORT))).status, 503);
    }
    const seen = await eventually("the log", 30, () => {
      const lines = docker("logs", "edge")
        .split("\n")
        .filter((line) => line.startsWith("{"));
      const found = lines.map((line) => (JSON.parse(line) as { address: string }).address);
      return found.length >= 4 && found;
    });
    assert.deepEqual([...new Set(seen)].sort(), [visitor.ipv4, visitor.ipv6].sort());
  });
});
