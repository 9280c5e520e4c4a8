/** The deploy scenario with the tools that people would use instead, for the same service under the same load. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, type PeerEnvironment } from "../peer-environment.ts";
import { nothingDropped, quickEnough } from "../judge.ts";
import type { Scenario } from "../scenario.ts";

const PEERS = join(import.meta.dirname, "../../peers");

/** Deploys a version of the service, and removes it again. */
interface Deployer {
  deploy(environment: PeerEnvironment, version: "1" | "2"): void;
  remove(environment: PeerEnvironment): void;
}

const imageOf = ({ images }: PeerEnvironment, version: "1" | "2"): string => images[version === "1" ? 0 : 1];

const compose: Deployer = {
  deploy: (environment, version) => composeCommand(environment, version, "up", "-d"),
  remove: (environment) => composeCommand(environment, "1", "down"),
};

function composeCommand(environment: PeerEnvironment, version: "1" | "2", ...args: string[]): void {
  const project = ["-f", join(PEERS, "compose.yaml"), "-p", environment.network];
  run("docker-compose", [...project, ...args], {
    IMAGE: imageOf(environment, version),
    BUILD: version,
    PORT: String(environment.port),
    NETWORK: environment.network,
  });
}

/** A copy of the program, because Pulumi writes a salt into the stack's file beside it. Made at the first use. */
let copied: string | undefined;
function program(): string {
  if (copied !== undefined) return copied;
  copied = mkdtempSync(join(tmpdir(), "omniai-peer-"));
  cpSync(join(PEERS, "pulumi"), copied, { recursive: true });
  symlinkSync(join(PEERS, "../../node_modules"), join(copied, "node_modules"));
  mkdirSync(join(copied, "state"));
  return copied;
}

function pulumiCommand(...args: string[]): void {
  const folder = program();
  const env = { PULUMI_BACKEND_URL: `file://${folder}/state`, PULUMI_CONFIG_PASSPHRASE: "for a bench" };
  run("pulumi", [...args, "--stack", "peer", "--cwd", folder, "--non-interactive"], env);
}

const pulumi: Deployer = {
  deploy(environment, version) {
    if (version === "1") pulumiCommand("stack", "init");
    const values = {
      image: imageOf(environment, version),
      build: version,
      network: environment.network,
      port: environment.port,
    };
    const config = Object.entries(values).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
    pulumiCommand("up", "--yes", "--skip-preview", ...config);
  },
  remove() {
    pulumiCommand("destroy", "--yes", "--skip-preview");
    rmSync(program(), { recursive: true });
    copied = undefined;
  },
};

const peer = (name: string, what: string, deployer: Deployer): Scenario<PeerEnvironment> => ({
  name,
  what,
  async before(environment) {
    deployer.deploy(environment, "1");
    await environment.answers("1");
    return undefined;
  },
  async act(environment, began) {
    deployer.deploy(environment, "2");
    await environment.answers("2");
    return { recovery: (Date.now() - began) / 1000 };
  },
  judge: (evidence) => [...nothingDropped(evidence), quickEnough(evidence)],
  after: (environment) => Promise.resolve(deployer.remove(environment)),
});

/** Debian's package, which is what `apt-get install` installs there. */
function ensureCompose(): { notRun: string } | undefined {
  if (spawnSync("docker-compose", ["version"]).status === 0) return undefined;
  const install = ["install", "-q", "-y", "--no-install-recommends", "docker-compose"];
  const { status } = spawnSync("apt-get", install, { stdio: "ignore" });
  return status === 0 ? undefined : { notRun: "docker-compose is not here and could not be installed" };
}

const byCompose = peer("peer-compose", "the same deploy by Compose (recreate)", compose);

export const PEER_SCENARIOS: readonly Scenario<PeerEnvironment>[] = [
  {
    ...byCompose,
    before: (environment) =>
      Promise.resolve(ensureCompose()).then((no) => no ?? byCompose.before?.(environment)),
  },
  peer("peer-pulumi", "the same deploy by plain @pulumi/docker, its defaults", pulumi),
];
