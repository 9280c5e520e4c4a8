/** Changes that an operator makes on purpose: no client may notice them. */
import { createHash } from "node:crypto";
import { docker, type CommandResult } from "../../../test/support/stack.ts";
import { answeredOnlyBy, atMost, nothingDropped, quickEnough } from "../judge.ts";
import type { Evidence, Outcome, Scenario, Verdict } from "../scenario.ts";
import type { StackEnvironment } from "../stack-environment.ts";

const smooth = (evidence: Evidence): Verdict[] => [...nothingDropped(evidence), quickEnough(evidence)];

const took = (...results: readonly CommandResult[]): Outcome => ({
  recovery: results.reduce((sum, { seconds }) => sum + seconds, 0),
});

/** Of the edge's container. */
const idOf = async (environment: StackEnvironment): Promise<string> =>
  (await docker.getContainer(await environment.one("edge")).inspect()).Id;

/** The edge's certificate as the SHA-256 of its DER, which is also how the load records the certificates it saw. */
async function certificateOf(environment: StackEnvironment): Promise<string> {
  const pem = environment.exec(
    await environment.one("edge"),
    "cat",
    "/etc/omniai/edge/current/tls/certificate.pem",
  );
  const body = pem.replace(/-----[A-Z ]+-----|\s/g, "");
  return createHash("sha256").update(Buffer.from(body, "base64")).digest("hex");
}

/** Time from the start of the act to the last answer from one of these replicas, s. */
const lastAnswerOf = ({ account, began }: Evidence, hosts: readonly string[]): number => {
  const { replicas, samples } = account.requests;
  const answers = samples.filter(([, , , , replica]) => hosts.includes(replicas[replica] ?? ""));
  return (answers.reduce((last, [at, , ms]) => Math.max(last, at + ms), 0) - began) / 1000;
};

export const CHANGES: readonly Scenario<StackEnvironment>[] = [
  {
    name: "deploy",
    what: "deploy of a changed service",
    async act(environment) {
      environment.newVersion();
      return took(await environment.succeed("up", "--yes"));
    },
    judge: smooth,
  },
  {
    name: "scale",
    what: "scale 2 → 4 → 2",
    async act(environment) {
      environment.stack.configure({ backendReplicas: 4 });
      const out = await environment.succeed("up", "--yes");
      const most = (await environment.stack.containers("backend")).length;
      environment.stack.configure({ backendReplicas: 2 });
      const back = await environment.succeed("up", "--yes");
      const least = (await environment.stack.containers("backend")).length;
      const verdicts = [{ what: `replicas: ${most}, then ${least}`, holds: most === 4 && least === 2 }];
      return { ...took(out, back), verdicts };
    },
    judge: smooth,
  },
  {
    name: "restart",
    what: "`npm run restart`",
    act: async (environment) => took(await environment.succeed("restart")),
    judge: smooth,
  },
  {
    name: "rollback",
    what: "`npm run rollback`",
    async act(environment) {
      const before = await environment.hosts();
      const result = await environment.succeed("rollback");
      return {
        ...took(result),
        verdicts: [atMost("took", result.seconds, 30, "s")],
        judge: (evidence) => [
          atMost("only the version before answers after", lastAnswerOf(evidence, before), 30, "s"),
        ],
      };
    },
    judge: smooth,
    // Go forward again, because the `up` of the next scenario must change only what that scenario is about.
    after: async (environment) => void (await environment.succeed("up", "--yes")),
  },
  {
    name: "service-config",
    what: "change of the service's configuration",
    async act(environment) {
      const before = await environment.hosts();
      environment.stack.configure({ logLevel: "warn" });
      const result = await environment.succeed("up", "--yes");
      const kept = (await environment.hosts()).filter((host) => before.includes(host)).length;
      return { ...took(result), verdicts: [{ what: `replicas that stayed: ${kept}`, holds: kept === 0 }] };
    },
    judge: smooth,
  },
  {
    name: "edge-config",
    what: "change of nginx' configuration",
    async act(environment) {
      const [edge, hosts] = [await idOf(environment), await environment.hosts()];
      const before = environment.exec(edge, "readlink", "/etc/omniai/edge/current");
      environment.edit("infra/components/edge/nginx.ts", (text) =>
        text.replace("client_header_timeout 8s", "client_header_timeout 9s"),
      );
      const result = await environment.succeed("up", "--yes");
      const now = environment.exec(edge, "readlink", "/etc/omniai/edge/current");
      return {
        ...took(result),
        verdicts: [
          { what: "another release serves", holds: now !== before },
          { what: "in the same container", holds: (await idOf(environment)) === edge },
        ],
        judge: (evidence) => [answeredOnlyBy(evidence, hosts)],
      };
    },
    judge: smooth,
    async after(environment) {
      environment.restore();
      await environment.succeed("up", "--yes");
    },
  },
  {
    name: "certificate",
    what: "change of the certificate",
    async act(environment) {
      const old = await certificateOf(environment);
      environment.stack.configure({ certificateSerial: 2 });
      const result = await environment.succeed("up", "--yes");
      const now = await certificateOf(environment);
      const judge = ({ account }: Evidence): Verdict[] => [
        {
          what: "clients were shown the old certificate, then the new one, and no other",
          holds: old !== now && Object.keys(account.certificates).sort().join() === [old, now].sort().join(),
        },
      ];
      return { ...took(result), judge };
    },
    judge: smooth,
  },
];
