/** testssl.sh against an edge: how it rates what a visitor's browser would get. */
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const IMAGE = "omniai-test-testssl";
const CONTEXT = join(import.meta.dirname, "testssl");

/** A line of its report. */
interface Finding {
  readonly id: string;
  /** OK and INFO, or what is wrong: LOW, MEDIUM, HIGH, CRITICAL, WARN. */
  readonly severity: string;
  readonly finding: string;
}

export interface Rating {
  /** A+ at best; T for a certificate that is not trusted. */
  readonly grade: string;
  /** Why it is not better. */
  readonly caps: readonly string[];
  /** What is wrong by itself, whatever it does to the grade, as `id: finding`. */
  readonly wrong: readonly string[];
  readonly seconds: number;
}

export interface Rated {
  /** The network that the edge is on. */
  readonly network: string;
  /** The host that a visitor asks for, and where it is. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** The authority to believe, in PEM. */
  readonly authority: string;
}

/** What it rates by: with less it gives no grade. What it also does by default takes as long again, and is no part of one. */
const CHECKS = ["--protocols", "--std", "--fs", "--server-defaults", "--header", "--vulnerable"];

/** Runs what the rating needs. */
export async function rate({ network, host, address, port, authority }: Rated): Promise<Rating> {
  await run("docker", ["build", "-q", "--network", "host", "-t", IMAGE, CONTEXT]);
  const folder = mkdtempSync(join(tmpdir(), "omniai-testssl-"));
  try {
    writeFileSync(join(folder, "ca.pem"), authority);
    // It runs as nobody.
    chmodSync(folder, 0o755);
    const started = Date.now();
    const { stdout } = await run("docker", [
      ...["run", "--rm", "--network", network, "--add-host", `${host}:${address}`, "-v", `${folder}:/ca:ro`],
      ...["--cap-drop", "ALL", "--entrypoint", "sh", IMAGE, "-c"],
      `testssl --quiet --color 0 --warnings off ${CHECKS.join(" ")} --add-ca /ca/ca.pem --jsonfile /tmp/report.json ` +
        `--ip ${address} ${host}:${port} > /tmp/said 2>&1; cat /tmp/report.json || cat /tmp/said`,
    ]);
    const seconds = (Date.now() - started) / 1000;
    const findings = JSON.parse(stdout) as Finding[];
    const of = (id: string): string => findings.find((one) => one.id === id)?.finding ?? "";
    return {
      grade: of("overall_grade"),
      caps: findings.filter(({ id }) => id.startsWith("grade_cap_reason")).map(({ finding }) => finding),
      wrong: findings
        .filter(({ severity }) => ["LOW", "MEDIUM", "HIGH", "CRITICAL", "WARN"].includes(severity))
        .map(({ id, finding }) => `${id}: ${finding}`),
      seconds,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
