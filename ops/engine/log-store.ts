/** The logs of all containers in one place (VictoriaLogs), also of those that are gone: what is asked of it, and its lines. */
import type Docker from "dockerode";
import { LOGS_PORT } from "../../infra/components/monitoring/plan.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { listContainers } from "./containers.ts";
import { execIn } from "./exec.ts";

/** What is looked for; every part that is there has to fit. */
export interface LogQuery {
  readonly workload?: string;
  /** A part of the line, to the letter. */
  readonly grep?: string;
  /** This level and all above. */
  readonly level?: string;
  /** An id that stands in the line as a word: of a request, a trace, a user. */
  readonly request?: string;
  /** Seconds since 1970. */
  readonly since: number;
  /** The newest so many lines. */
  readonly limit: number;
}

/** One line of a container. */
export interface StoredLine {
  readonly time: string;
  readonly workload: string;
  readonly replica: number;
  readonly container: string;
  readonly text: string;
}

export const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

/** How programs that do not write JSON say how bad it is: PostgreSQL, Redis and nginx. */
const plainWords: Readonly<Record<string, string>> = {
  warn: "WARNING|warn|ERROR|error|FATAL|PANIC|crit|alert|emerg",
  error: "ERROR|error|FATAL|PANIC|crit|alert|emerg",
  fatal: "FATAL|PANIC|emerg",
};

const quoted = (text: string): string => JSON.stringify(text);
const literal = (text: string): string => quoted(text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));

/** Pure: the query in LogsQL. */
export function renderQuery({ workload, grep, level, request, since, limit }: LogQuery): string {
  const begin = new Date(since * 1000).toISOString();
  const filters = [
    `_time:>=${begin}`,
    ...(workload === undefined ? [] : [`{file=~${quoted(`.*/${workload}\\..*`)}}`]),
    ...(request === undefined ? [] : [`_msg:${quoted(request)}`]),
    ...(grep === undefined ? [] : [`_msg:~${literal(grep)}`]),
  ];
  const levels = level === undefined ? [] : LEVELS.slice(LEVELS.findIndex((one) => one === level));
  const plain = plainWords[level ?? ""] ?? ".*";
  const ofLevel =
    level === undefined
      ? ""
      : ` | unpack_json from _msg fields (level) | filter level:in(${levels.map(quoted).join(",")}) or (level:"" and _msg:~${quoted(`\\b(${plain})\\b`)})`;
  return `${filters.join(" ")}${ofLevel} | sort by (_time desc) limit ${limit} | fields _time, file, _msg`;
}

/** Pure: a line of the answer; undefined for anything else. */
export function parseLine(line: string): StoredLine | undefined {
  try {
    const { _time: time, file, _msg: text } = JSON.parse(line) as Record<string, string>;
    const [, workload = "", replica = "0", container = ""] =
      /([^/.]+)\.(\d+)\.([^/]+)\.log$/.exec(file ?? "") ?? [];
    return { time: time ?? "", workload, replica: Number(replica), container, text: (text ?? "").trimEnd() };
  } catch {
    return undefined;
  }
}

const ASK = `exec wget -q -O - --post-data "$BODY" "http://127.0.0.1:${LOGS_PORT}/select/logsql/query"`;

/** The lines that fit, oldest first. @throws OpsError for a stack without the store */
export async function findLines(docker: Docker, stack: string, query: LogQuery): Promise<StoredLine[]> {
  const store = (await listContainers(docker, stack)).find(
    ({ workload, state }) => workload === "victoria-logs" && state === "running",
  );
  if (store === undefined) {
    throw new OpsError(
      `Stack ${stack} does not keep its logs in one place, or what keeps them does not run.`,
      `Set omniai:monitoring: always in Pulumi.${stack}.yaml and deploy it (${npmRun("up", stack)}). Without --grep, --level and --request the containers that run are read.`,
      exit.failed,
    );
  }
  const BODY = `query=${encodeURIComponent(renderQuery(query))}`;
  const { exitCode, output } = await execIn(docker, store.id, ["sh", "-c", ASK], { env: { BODY } });
  if (exitCode !== 0)
    throw new OpsError(
      `VictoriaLogs did not answer: ${output.trim()}`,
      npmRun("logs", stack, "victoria-logs"),
    );
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map(parseLine)
    .filter((line) => line !== undefined)
    .reverse();
}
