/** Prepares a bare machine over nothing but SSH, so that a stack can be deployed to it. */
import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderStep, STEPS } from "../../infra/components/host/plan.ts";
import { connect } from "../../ops/engine/connection.ts";
import { openTunnel } from "../../ops/engine/ssh/tunnel.ts";
import { parseSshAddress } from "../../tools/host/ssh-address.ts";
import { eventually } from "../support/http.ts";
import { freePort } from "../../tools/host/free-port.ts";

const FOLDER = join(import.meta.dirname, "support/host");
const NAME = `omniai-test-host-${process.pid}`;
const SOCKET = new URL(process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock").pathname;

describe("a bare host", function () {
  this.timeout(400_000);
  let work: string;
  let port: number;
  let env: NodeJS.ProcessEnv;

  const docker = (...args: string[]): string =>
    execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  const inside = (script: string): string => docker("exec", NAME, "sh", "-c", script);
  const pulumi = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(
      "pulumi",
      [...args, "--non-interactive", "--color", "never"],
      {
        cwd: FOLDER,
        env,
        encoding: "utf8",
      },
    );
    return { status, output: stdout + stderr };
  };
  const config = (hostKey: string): string[] =>
    Object.entries({ address: "127.0.0.1", port: String(port), hostKey }).flatMap(([key, value]) => [
      "-c",
      `${key}=${value}`,
    ]);
  // The type of key that docs/environments.md asks for; the host has one of each type.
  const hostKey = (): string => inside("cut -d' ' -f1,2 /etc/ssh/ssh_host_ecdsa_key.pub");

  before(async () => {
    work = mkdtempSync(join(tmpdir(), "omniai-host-"));
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(work, "key")]);
    port = await freePort();
    docker("build", "--quiet", "--network", "host", "--tag", "omniai-test-host", FOLDER);
    // NET_ADMIN lets the container set its own firewall, as a machine can.
    docker(
      "run",
      "-d",
      "--name",
      NAME,
      "--cap-add",
      "NET_ADMIN",
      "-p",
      `127.0.0.1:${port}:22`,
      // An engine to look at: the one that is installed in the container does not run.
      "-v",
      `${SOCKET}:/var/run/docker.sock`,
      "omniai-test-host",
    );
    const key = readFileSync(join(work, "key.pub"), "utf8").trim();
    inside(`echo '${key}' > /home/deploy/.ssh/authorized_keys && chown -R deploy /home/deploy/.ssh`);
    await eventually("sshd", 60, () =>
      /OpenSSH/.test(
        spawnSync("ssh-keyscan", ["-p", String(port), "127.0.0.1"], { encoding: "utf8" }).stderr,
      ),
    );
    mkdirSync(join(work, "state"));
    env = {
      ...process.env,
      PULUMI_BACKEND_URL: `file://${work}/state`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      SSH_AUTH_SOCK: "",
    };
    const made = pulumi("stack", "init", "test");
    assert.equal(made.status, 0, made.output);
    const set = spawnSync("pulumi", ["config", "set", "--secret", "privateKey"], {
      cwd: FOLDER,
      env,
      input: readFileSync(join(work, "key")),
    });
    assert.equal(set.status, 0, set.stderr.toString());
  });
  after(() => {
    spawnSync("docker", ["rm", "--force", "--volumes", NAME]);
    rmSync(join(FOLDER, "Pulumi.test.yaml"), { force: true });
    rmSync(work, { recursive: true, force: true });
  });

  it("is not touched if it presents another machine's key", () => {
    execFileSync("ssh-keygen", ["-q", "-t", "ecdsa", "-N", "", "-f", join(work, "other")]);
    const other = readFileSync(join(work, "other.pub"), "utf8").split(" ").slice(0, 2).join(" ");
    const { status, output } = pulumi("up", "--yes", "--skip-preview", ...config(other));
    assert.notEqual(status, 0, output);
    // The message is the provider's: either our own stand-in's, or that of Go's ssh.FixedHostKey.
    assert.match(output, /the host's key is not the one in hostKey|host key mismatch/);
    assert.equal(inside("ls /etc/docker 2>/dev/null || echo bare"), "bare");
  });

  it("appears in a preview with the commands that would run on it, but without its key", () => {
    const { status, output } = pulumi("preview", "--diff", ...config(hostKey()));
    assert.equal(status, 0, output);
    for (const step of STEPS) assert.match(output, new RegExp(`omniai-test-host-${step}`));
    // The CLI shows only the beginning of a long text, and only the changed lines of a changed one.
    assert.match(output, /sudo -n sh -s[\s\S]*HOST_USER='deploy'/);
    assert.doesNotMatch(output, /PRIVATE KEY/);
  });

  it("gets an engine, log limits, security updates, the time and a firewall", () => {
    const { status, output } = pulumi("up", "--yes", "--skip-preview", ...config(hostKey()));
    assert.equal(status, 0, output);
    // A container has no systemd; the output has to say so.
    assert.match(output, /left out: there is no systemd here, so that nothing starts docker\.service/);
    assert.match(inside("dockerd --version"), /Docker version/);
    assert.match(inside("id -nG deploy"), /\bdocker\b/);
    const daemon = JSON.parse(inside("cat /etc/docker/daemon.json")) as Record<string, unknown>;
    assert.deepEqual(daemon["log-opts"], { "max-size": "10m", "max-file": "3" });
    assert.equal(daemon["live-restore"], true);
    assert.match(inside("apt-config dump APT::Periodic::Unattended-Upgrade"), /"1"/);
    assert.match(inside("dpkg-query -W -f '${db:Status-Status}' systemd-timesyncd"), /^installed$/);
    assert.match(inside("cat /etc/nftables.d/omniai.nft"), /policy drop[\s\S]*tcp dport \{ 22, (\d+, )?443/);
    if (!/this machine lets nobody set rules/.test(output)) {
      assert.match(inside("nft list table inet omniai"), /policy drop/);
    }
  });

  it("is not changed by a second run", () => {
    const again = pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", ...config(hostKey()));
    assert.equal(again.status, 0, again.output);
    for (const step of STEPS) {
      const script = renderStep(step, { user: "deploy", sshPort: port, openPorts: [443] });
      const output = execFileSync("docker", ["exec", "-i", NAME, "sh", "-s"], {
        input: script,
        encoding: "utf8",
      });
      assert.match(output, /^unchanged$/m, `${step}: ${output}`);
      assert.doesNotMatch(output, /^changed/m, `${step}: ${output}`);
    }
  });

  describe("with the key of a drift check, which may only look", () => {
    let wrapper: string;
    /** What the docker CLI gets, with the `ssh` that it calls told where the key is. */
    const cli = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync("docker", args, {
        encoding: "utf8",
        env: {
          ...process.env,
          DOCKER_HOST: "ssh://deploy@127.0.0.1",
          PATH: `${wrapper}:${process.env["PATH"]}`,
        },
      });
      return { status, output: stdout + stderr };
    };
    const ssh = (command: string, input = "") =>
      spawnSync(join(wrapper, "ssh"), ["deploy@127.0.0.1", command], { encoding: "utf8", input });
    const ask = (head: string): string =>
      ssh("docker system dial-stdio", `${head}\r\nHost: x\r\n\r\n`).stdout;

    before(() => {
      wrapper = join(work, "bin");
      mkdirSync(wrapper);
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(work, "reader")]);
      const known = spawnSync("ssh-keyscan", ["-p", String(port), "127.0.0.1"], { encoding: "utf8" }).stdout;
      writeFileSync(join(work, "known_hosts"), known);
      const program = execFileSync("sh", ["-c", "command -v ssh"], { encoding: "utf8" }).trim();
      const options = `-F none -i ${work}/reader -p ${port} -o UserKnownHostsFile=${work}/known_hosts -o BatchMode=yes`;
      writeFileSync(join(wrapper, "ssh"), `#!/bin/sh\nexec ${program} ${options} "$@"\n`, { mode: 0o755 });
      // The line is the one of docs/environments.md.
      const docs = readFileSync(join(import.meta.dirname, "../../docs/environments.md"), "utf8");
      const [, line = ""] =
        /^(restrict,command=\S+) ssh-/m.exec(docs) ?? assert.fail("docs/environments.md has no line");
      const key = readFileSync(join(work, "reader.pub"), "utf8").trim();
      inside(`echo '${line} ${key}' >> /home/deploy/.ssh/authorized_keys`);
      // The socket is the test machine's, so its group has a number of that machine.
      inside(
        "gid=$(stat -c %g /var/run/docker.sock); getent group $gid || groupadd -g $gid outer; usermod -aG $(getent group $gid | cut -d: -f1) deploy",
      );
    });

    it("shows what there is", () => {
      const seen = cli("ps", "--format", "{{.Names}}");
      assert.equal(seen.status, 0, seen.output);
      assert.match(seen.output, new RegExp(NAME));
      for (const args of [
        ["inspect", NAME],
        ["network", "ls"],
        ["network", "inspect", "bridge"],
        ["version"],
      ])
        assert.equal(cli(...args).status, 0, args.join(" "));
      assert.match(ask("GET /v1.41/containers/json?all=1 HTTP/1.1"), /^HTTP\/1\.1 200/);
    });

    it("carries a command of ops, all of it in one connection", async () => {
      const logins = (): number =>
        (spawnSync("docker", ["logs", NAME], { encoding: "utf8" }).stderr.match(/Accepted publickey/g) ?? [])
          .length;
      const before = logins();
      const address =
        parseSshAddress(`ssh://deploy@127.0.0.1:${port}`) ?? assert.fail("the address is none of SSH");
      const privateKey = readFileSync(join(work, "reader"), "utf8");
      const tunnel = await openTunnel({ address, hostKey: hostKey(), privateKey }, env);
      try {
        const engine = connect(tunnel.address);
        // As many at once as one connection carries.
        const seen = await Promise.all(Array.from({ length: 8 }, () => engine.listContainers()));
        for (const containers of seen)
          assert.ok(
            containers.some(({ Names }) => Names.includes(`/${NAME}`)),
            tunnel.complaint,
          );
        await eventually("its login in the log", 30, () => logins() > before);
        assert.equal(logins(), before + 1);
        await assert.rejects(engine.getContainer(NAME).kill(), /may only look at the engine/);
      } finally {
        tunnel.close();
      }
    });

    it("changes nothing, and reads no files, logs or secrets", () => {
      for (const args of [
        ["run", "--rm", "omniai-test-host", "true"],
        ["kill", NAME],
        ["exec", NAME, "true"],
        ["logs", NAME],
        ["cp", `${NAME}:/etc/hostname`, "-"],
        ["save", "omniai-test-host"],
      ]) {
        const { status, output } = cli(...args);
        assert.notEqual(status, 0, args.join(" "));
        assert.match(output, /may only look at the engine/, args.join(" "));
      }
      for (const head of [
        `GET /containers/${NAME}/attach/ws?stdin=1 HTTP/1.1`,
        `GET /containers/${NAME}/json/../../${NAME}/export HTTP/1.1`,
        `GET /containers/${NAME}/export HTTP/1.1`,
        "GET /containers/json HTTP/1.1\r\nContent-Length: 5",
        "GET /containers/json HTTP/1.1\r\nTransfer-Encoding: chunked",
        "GET /info HTTP/1.1\r\nUpgrade: tcp",
        "DELETE /containers/x HTTP/1.1",
        "GET http://x/info HTTP/1.1",
      ])
        assert.match(ask(head), /^HTTP\/1\.1 403/, head);
      // A request behind a good one is looked at as well.
      assert.match(
        ask(`GET /_ping HTTP/1.1\r\nHost: x\r\n\r\nPOST /containers/prune HTTP/1.1`),
        /403 Forbidden/,
      );
    });

    it("opens no shell and no way into the network", () => {
      const shell = ssh("cat /etc/passwd");
      assert.equal(shell.status, 126);
      assert.match(shell.stderr, /may only look/);
      const forward = spawnSync(join(wrapper, "ssh"), ["-N", "-W", "127.0.0.1:22", "deploy@127.0.0.1"], {
        encoding: "utf8",
        timeout: 20_000,
      });
      assert.notEqual(forward.status, 0);
      assert.match(forward.stderr, /prohibited|failed/);
    });
  });

  it("keeps other settings in the engine's file", () => {
    inside(`echo '{"dns":["9.9.9.9"],"log-opts":{"max-size":"1g"}}' > /etc/docker/daemon.json`);
    const script = renderStep("logs", { user: "deploy", sshPort: port, openPorts: [] });
    execFileSync("docker", ["exec", "-i", NAME, "sh", "-s"], { input: script, encoding: "utf8" });
    const daemon = JSON.parse(inside("cat /etc/docker/daemon.json")) as Record<string, unknown>;
    assert.deepEqual(daemon["dns"], ["9.9.9.9"]);
    assert.deepEqual(daemon["log-opts"], { "max-size": "10m", "max-file": "3" });
    inside(`echo '{"log-driver":"local","log-opts":{"compress":"true"}}' > /etc/docker/daemon.json`);
    execFileSync("docker", ["exec", "-i", NAME, "sh", "-s"], { input: script, encoding: "utf8" });
    assert.deepEqual(JSON.parse(inside("cat /etc/docker/daemon.json")), {
      "log-driver": "local",
      "log-opts": { compress: "true" },
      "live-restore": true,
    });
  });
});
