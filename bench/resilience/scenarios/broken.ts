/** Deploys that cannot succeed: the old version keeps running, and each run of `up` says why. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { call } from "../../../test/support/http.ts";
import { answeredOnlyBy, nothingDropped, quickEnough } from "../judge.ts";
import type { Outcome, Scenario, Verdict } from "../scenario.ts";
import type { StackEnvironment } from "../stack-environment.ts";

/** How many containers a stack has when nothing is left over: PostgreSQL, Redis, the edge and two replicas. */
const CONTAINERS = 5;

const build = async (environment: StackEnvironment): Promise<string> =>
  (JSON.parse((await call(`${environment.stack.http}/api/diag`)).text) as { build: string }).build;

/** Runs `up` twice. @param reason what the output of each run has to match. */
async function failTwice(environment: StackEnvironment, reason: RegExp, what: string): Promise<Outcome> {
  const [before, hosts] = [await build(environment), await environment.hosts()];
  const attempts = [await environment.stack.run("up", "--yes"), await environment.stack.run("up", "--yes")];
  const verdicts: Verdict[] = attempts.flatMap(({ code, output }, index) => [
    { what: `\`up\` ${index === 0 ? "" : "again "}exits with ${code}, not 0`, holds: code !== 0 },
    { what: `and says ${what}`, holds: reason.test(output) },
  ]);
  verdicts.push({ what: "the old version serves", holds: (await build(environment)) === before });
  return {
    verdicts,
    judge: (evidence) => [answeredOnlyBy(evidence, hosts)],
    notes: [`two attempts, ${attempts.map(({ seconds }) => `${seconds.toFixed(0)} s`).join(" and ")}`],
  };
}

/** Deploys a good version again and checks that nothing of the bad one is left. */
export async function recoverAndCount(environment: StackEnvironment): Promise<Verdict[]> {
  environment.restore();
  environment.newVersion();
  const { code } = await environment.stack.run("up", "--yes");
  const all = await environment.everyContainer();
  return [
    { what: `a good version is deployed after it: \`up\` exits with ${code}`, holds: code === 0 },
    { what: `containers then: ${all.length}, no orphans`, holds: all.length === CONTAINERS },
  ];
}

const broken = (
  name: string,
  what: string,
  spoil: (environment: StackEnvironment) => void,
  reason: RegExp,
  said: string,
  more: (environment: StackEnvironment) => Promise<Verdict[]> = () => Promise.resolve([]),
): Scenario<StackEnvironment> => ({
  name,
  what,
  async act(environment) {
    spoil(environment);
    const outcome = await failTwice(environment, reason, said);
    return { ...outcome, verdicts: [...(outcome.verdicts ?? []), ...(await more(environment))] };
  },
  judge: (evidence) => [...nothingDropped(evidence), quickEnough(evidence)],
  after: recoverAndCount,
});

const MAIN = "service/src/main.ts";

export const BROKEN_VERSIONS: readonly Scenario<StackEnvironment>[] = [
  broken(
    "crash",
    "deploy of a version that crashes",
    (environment) =>
      environment.edit(MAIN, () => 'console.log("this version leaves at once");\nprocess.exit(3);\n'),
    /this version leaves at once/,
    "what the version said last",
  ),
  broken(
    "hangs",
    "deploy of a version that hangs",
    (environment) => environment.edit(MAIN, () => "setInterval(() => undefined, 1000);\n"),
    /ECONNREFUSED/,
    "what its health check found",
  ),
  broken(
    "never-ready",
    "deploy of a version that never gets ready",
    (environment) =>
      environment.edit("service/src/health/router.ts", (text) =>
        text.replace(
          "else answer(response, source.checks.status, [], true)",
          'else answer(response, "fail", ["never ready"], true)',
        ),
      ),
    /never ready/,
    "what its health check found",
  ),
  broken(
    "migration",
    "deploy of a version whose migration fails",
    (environment) => {
      const folder = "service/migrations";
      const count = readdirSync(join(environment.stack.checkout, folder)).filter((name) =>
        name.endsWith(".sql"),
      );
      const number = String(count.length + 1).padStart(4, "0");
      environment.add(
        `${folder}/${number}_broken.sql`,
        "CREATE TABLE half_done (n integer);\nSELECT 1 / 0;\n",
      );
    },
    /division by zero/,
    "what PostgreSQL said",
    async (environment) => {
      const found = environment.sql(
        await environment.one("postgres"),
        "SELECT to_regclass('half_done') IS NULL",
      );
      return [{ what: "the database is as it was", holds: found.trim() === "t" }];
    },
  ),
  {
    name: "edge-config-error",
    what: "nginx configuration with an error",
    async act(environment) {
      environment.edit("infra/components/edge/nginx.ts", (text) =>
        text.replace("client_header_timeout 8s;", "client_header_timeout ten;"),
      );
      const link = ["readlink", "/etc/omniai/edge/current"] as const;
      const edge = await environment.one("edge");
      const before = environment.exec(edge, ...link);
      const { code, output } = await environment.stack.run("up", "--yes");
      return {
        verdicts: [
          { what: `\`up\` exits with ${code}, not 0`, holds: code !== 0 },
          { what: "and says what nginx refused", holds: /client_header_timeout/.test(output) },
          { what: "the release before serves", holds: environment.exec(edge, ...link) === before },
        ],
      };
    },
    judge: (evidence) => [...nothingDropped(evidence), quickEnough(evidence)],
    after: recoverAndCount,
  },
];
