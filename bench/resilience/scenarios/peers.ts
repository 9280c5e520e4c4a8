/** The deploy row by what people would use otherwise, with the same service and the same load. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, type Ground } from "../peer-environment.ts";
import { nothingDropped, quickEnough } from "../judge.ts";
import type { Row } from "../scenario.ts";

const peers = join(import.meta.dirname, "../../peers");

/** Deploys a version of the service, and takes it away again. */
interface Deployer {
  deploy(ground: Ground, version: "1" | "2"): void;
  remove(ground: Ground): void;
}

const imageOf = ({ images }: Ground, version: "1" | "2"): string => images[version === "1" ? 0 : 1];

const compose: Deployer = {
  deploy: (ground, version) => composeCommand(ground, version, "up", "-d"),
  remove: (ground) => composeCommand(ground, "1", "down"),
};

function composeCommand(ground: Ground, version: "1" | "2", ...args: string[]): void {
  const project = ["-f", join(peers, "compose.yaml"), "-p", ground.network];
  run("docker-compose", [...project, ...args], {
    IMAGE: imageOf(ground, version),
    BUILD: version,
    PORT: String(ground.port),
    NETWORK: ground.network,
  });
}

/** A copy of the program, because Pulumi writes a salt into the stack's file beside it. Made when it is first needed. */
let copied: string | undefined;
function program(): string {
  if (copied !== undefined) return copied;
  copied = mkdtempSync(join(tmpdir(), "omniai-peer-"));
  cpSync(join(peers, "pulumi"), copied, { recursive: true });
  symlinkSync(join(peers, "../../node_modules"), join(copied, "node_modules"));
  mkdirSync(join(copied, "state"));
  return copied;
}

function pulumiCommand(...args: string[]): void {
  const folder = program();
  const env = { PULUMI_BACKEND_URL: `file://${folder}/state`, PULUMI_CONFIG_PASSPHRASE: "for a bench" };
  run("pulumi", [...args, "--stack", "peer", "--cwd", folder, "--non-interactive"], env);
}

const pulumi: Deployer = {
  deploy(ground, version) {
    if (version === "1") pulumiCommand("stack", "init");
    const values = {
      image: imageOf(ground, version),
      build: version,
      network: ground.network,
      port: ground.port,
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

const peer = (name: string, what: string, deployer: Deployer): Row<Ground> => ({
  name,
  what,
  async before(ground) {
    deployer.deploy(ground, "1");
    await ground.answers("1");
    return undefined;
  },
  async act(ground, began) {
    deployer.deploy(ground, "2");
    await ground.answers("2");
    return { recovery: (Date.now() - began) / 1000 };
  },
  judge: (evidence) => [...nothingDropped(evidence), quickEnough(evidence)],
  after: (ground) => Promise.resolve(deployer.remove(ground)),
});

/** Debian's own, which is what `apt-get install` gives there. */
function ensureCompose(): { notRun: string } | undefined {
  if (spawnSync("docker-compose", ["version"]).status === 0) return undefined;
  const install = ["install", "-q", "-y", "--no-install-recommends", "docker-compose"];
  const { status } = spawnSync("apt-get", install, { stdio: "ignore" });
  return status === 0 ? undefined : { notRun: "docker-compose is not here and could not be installed" };
}

const byCompose = peer("peer-compose", "the same deploy by Compose (recreate)", compose);

export const peerRows: readonly Row<Ground>[] = [
  {
    ...byCompose,
    before: (ground) => Promise.resolve(ensureCompose()).then((no) => no ?? byCompose.before?.(ground)),
  },
  peer("peer-pulumi", "the same deploy by plain @pulumi/docker, its defaults", pulumi),
];
