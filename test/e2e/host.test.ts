/** Prepares a bare machine over nothing but SSH, so that a stack can be deployed to it. */
import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderStep, STEPS } from "../../infra/components/host/plan.ts";
import { eventually } from "../support/http.ts";
import { freePort } from "../support/stack.ts";

const FOLDER = join(import.meta.dirname, "support/host");
const NAME = `omniai-test-host-${process.pid}`;

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
      "omniai-test-host",
    );
    const key = readFileSync(join(work, "key.pub"), "utf8").trim();
    inside(`echo '${key}' > /home/deploy/.ssh/authorized_keys && chown -R deploy /home/deploy/.ssh`);
    await eventually("sshd", 20, () =>
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
