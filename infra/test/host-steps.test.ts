/** The steps themselves, in a folder that stands for the machine; what they would start is stood in for. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { renderStep, type HostSettings, type Step } from "../components/host/plan.ts";

const HAS_JQ = spawnSync("jq", ["--version"]).status === 0;

describe("the host's steps, run", () => {
  let machine: string;
  const at = (path: string): string => join(machine, path);
  const read = (path: string): string => readFileSync(at(path), "utf8");
  function write(path: string, content: string, mode = 0o644): void {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), content);
    chmodSync(at(path), mode);
  }
  const program = (name: string, body: string): void => write(`bin/${name}`, `#!/bin/sh\n${body}\n`, 0o755);

  beforeEach(() => {
    machine = mkdtempSync(join(tmpdir(), "omniai-host-steps-"));
    write("etc/os-release", "ID=debian\n");
    program("id", "echo 0");
    program("dpkg-query", "printf installed");
    program("sshd", "echo port 22");
    // Refuses what a test says it refuses, and notes what it is asked.
    program(
      "nft",
      `echo "$*" >> ${at("asked")}; [ ! -f ${at("refuses")} ] || { cat ${at("refuses")} >&2; exit 1; }`,
    );
  });
  afterEach(() => rmSync(machine, { recursive: true, force: true }));

  function run(
    step: Step,
    openPorts: readonly number[] = [],
    more: Pick<HostSettings, "ipv6" | "swarm"> = {},
  ) {
    const script = renderStep(step, { user: "root", sshPort: 22, openPorts, ...more }).replaceAll(
      /(?<![\w.])\/(etc|run)\//g,
      `${machine}/$1/`,
    );
    const { status, stdout, stderr } = spawnSync("sh", ["-s"], {
      input: script,
      encoding: "utf8",
      env: { PATH: [at("bin"), process.env["PATH"]].join(delimiter) },
    });
    return { status, stdout, stderr };
  }

  describe("logs", () => {
    const file = "etc/docker/daemon.json";
    const daemon = (): unknown => JSON.parse(read(file));
    before(function () {
      if (!HAS_JQ) this.skip(); // the step installs it; here nothing is installed
    });

    it("bounds the logs of an engine that nobody set up", () => {
      assert.equal(run("logs").status, 0);
      assert.deepEqual(daemon(), {
        "log-driver": "json-file",
        "log-opts": { "max-size": "10m", "max-file": "3" },
        "live-restore": true,
      });
      const again = run("logs");
      assert.match(again.stdout, /^unchanged$/m);
      assert.doesNotMatch(again.stdout, /^changed/m);
    });

    it("has an engine translate IPv6 where visitors come by it, and where that is an experiment", () => {
      program("ip", "true");
      const translates = (version: string, ipv6: boolean): unknown => {
        rmSync(at(file), { force: true });
        program("dockerd", `echo "Docker version ${version}, build 1"`);
        assert.equal(run("logs", [], { ipv6 }).status, 0);
        const { ip6tables, experimental } = daemon() as Record<string, unknown>;
        return [ip6tables, experimental];
      };
      assert.deepEqual(translates("26.1.5+dfsg1", true), [true, true]);
      assert.deepEqual(translates("26.1.5+dfsg1", false), [undefined, undefined]);
      assert.deepEqual(translates("28.2.2", true), [undefined, undefined]);
    });

    it("keeps the way out by IPv6 of a machine that forwards, where the kernel has it from routers", () => {
      const kept = "etc/sysctl.d/50-omniai.conf";
      program("dockerd", 'echo "Docker version 28.2.2, build 1"');
      program(
        "ip",
        'echo "default via fe80::1 dev eth0.7 proto ra metric 1024"; echo "default via 10.0.0.1 dev eth1"',
      );
      // eth1's advertisements are read by a network manager.
      program(
        "sysctl",
        `case "$*" in *-p*) echo "$*" >> ${at("set")} ;; */eth1/*) echo 0 ;; *) echo 1 ;; esac`,
      );
      assert.equal(run("logs").status, 0);
      assert.ok(!existsSync(at(kept)));
      assert.equal(run("logs", [], { ipv6: true }).status, 0);
      assert.equal(read(kept), "net/ipv6/conf/eth0.7/accept_ra = 2\n");
      assert.match(read("set"), /^-q -p \S+50-omniai\.conf\n$/);
      assert.match(run("logs", [], { ipv6: true }).stdout, /^unchanged$/m);
    });

    it("keeps other settings, and other options of the same driver", () => {
      write(file, '{"dns":["9.9.9.9"],"log-opts":{"max-size":"1g","labels":"app"}}');
      assert.equal(run("logs").status, 0);
      assert.deepEqual(daemon(), {
        dns: ["9.9.9.9"],
        "log-driver": "json-file",
        "log-opts": { "max-size": "10m", "max-file": "3", labels: "app" },
        "live-restore": true,
      });
    });

    it("gives the engine of a swarm's node what its tasks cannot have, and takes what keeps it out of one", () => {
      write(file, '{"live-restore":true,"dns":["9.9.9.9"]}');
      assert.equal(run("logs", [], { swarm: { nodes: [] } }).status, 0);
      assert.deepEqual(daemon(), {
        dns: ["9.9.9.9"],
        "log-driver": "json-file",
        "log-opts": { "max-size": "10m", "max-file": "3" },
        "no-new-privileges": true,
      });
    });

    it("leaves another driver with its options alone: mixed with ours the engine would not start", () => {
      const journald = { "log-driver": "journald", "log-opts": { tag: "{{.Name}}" } };
      write(file, JSON.stringify(journald));
      const { status, stdout } = run("logs");
      assert.equal(status, 0);
      assert.deepEqual(daemon(), { ...journald, "live-restore": true });
      assert.match(stdout, /left out: the engine logs by journald here/);
    });
  });

  describe("firewall", () => {
    const file = "etc/nftables.d/omniai.nft";

    it("checks the rules, puts them there, and loads them", () => {
      const { status, stdout, stderr } = run("firewall", [443]);
      assert.equal(status, 0, stderr);
      assert.match(read(file), /tcp dport \{ 22, 443 \} accept/);
      const asked = read("asked").trim().split("\n");
      assert.match(asked[0] ?? "", /^-c -f /);
      assert.doesNotMatch(
        asked[0] ?? "",
        /omniai\.nft/,
        "not where the next start of the machine would take it from",
      );
      assert.equal(asked[1], `-f ${at(file)}`);
      assert.match(stdout, /changed: loaded the rules: open are 22, 443/);
    });

    it("lets the other nodes of a swarm in, and nobody else where they are", () => {
      assert.equal(run("firewall", [], { swarm: { nodes: ["10.0.0.3", "10.0.0.2", "fd00::2"] } }).status, 0);
      for (const from of ["ip saddr 10.0.0.2", "ip saddr 10.0.0.3", "ip6 saddr fd00::2"])
        for (const what of ["tcp dport { 2377, 7946 }", "udp dport { 4789, 7946 }", "meta l4proto esp"])
          assert.ok(read(file).includes(`    ${from} ${what} accept\n`), `${from} ${what}`);
      assert.doesNotMatch(read(file), /^ *(tcp|udp) dport \{[^}]*(2377|4789|7946)/m);
      assert.equal(run("firewall", [], { swarm: { nodes: [] } }).status, 0);
      assert.doesNotMatch(read(file), /2377|4789|7946/);
    });

    it("leaves every port open that sshd listens on, however that is written", () => {
      // OpenSSH 10.6 writes its keywords with capitals.
      for (const says of ["port 2222", "Port 2222"]) {
        program("sshd", `echo ${says}; echo ${says.replace("2222", "2223")}`);
        assert.equal(run("firewall").status, 0);
        assert.match(read(file), /tcp dport \{ 22, 2222, 2223 \} accept/, says);
      }
    });

    it("locks nobody out where sshd does not say on which ports it listens", () => {
      write(file, "the old rules");
      program("sshd", "exit 255");
      const { status, stderr } = run("firewall");
      assert.equal(status, 1);
      assert.match(stderr, /sshd -T does not say which ports sshd listens on/);
      assert.equal(read(file), "the old rules");
    });

    it("leaves the rules that are there when it would put some that do not load", () => {
      write(file, "the old rules");
      write("refuses", "Error: syntax error");
      const { status, stderr } = run("firewall");
      assert.equal(status, 1);
      assert.match(stderr, /nft refuses the rules, and those that were there stay: Error: syntax error/);
      assert.equal(read(file), "the old rules");
      assert.ok(!existsSync(at("etc/systemd/system/omniai-firewall.service")));
    });

    it("says so where nobody may set rules, and keeps them for a start where one may", () => {
      write("refuses", "Operation not permitted");
      const { status, stdout } = run("firewall");
      assert.equal(status, 0);
      assert.match(stdout, /left out: this machine lets nobody set rules/);
      assert.match(read(file), /policy drop/);
      assert.doesNotMatch(read("asked"), /^-f /m);
    });
  });
});
