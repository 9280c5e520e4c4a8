/**
 * The engine's probe. It asks this replica's internal port whether it is ready (or another probe, by PROBE), prints the verdict, and exits with 0 or 1.
 * When the replica hangs, it also ends it, so that the engine starts it again (healing.mjs). healthcheck.sh starts it, with
 * the number of probes that it has sent in vain, while anything is wrong. It is plain JavaScript with few imports, because
 * that may be every few seconds.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findService, judge } from "./healing.mjs";

const PORT = Number(process.env.OMNIAI_INTERNAL_PORT || 9000);
/** Two probes, and the start of this program on a busy machine, fit into the engine's time for a check. */
const PROBE_MS = 1500;
const PROBES = 2;
// A tmpfs that ends with the container: a restarted replica starts with no misses.
const STATE_FILE = join(tmpdir(), "omniai-healthcheck.json");

const finish = (code, line) => {
  console.log(line);
  process.exit(code);
};

/** Notes an answer or a miss, and ends the process after too many misses. Nothing in here may fail the check itself. */
function note(hasAnswered) {
  try {
    let last;
    try {
      last = JSON.parse(readFileSync(STATE_FILE, "utf8"));
    } catch {
      // The first check of this container.
    }
    const service = findService();
    if (hasAnswered && last?.misses === 0 && last.start === service?.start) return "";
    const { next, why } = judge(last, service, hasAnswered);
    if (next) writeFileSync(STATE_FILE, JSON.stringify(next));
    if (why === undefined) return "";
    tellLog(why);
    process.kill(service.pid, "SIGKILL");
    return `; ended it: ${why}`;
  } catch (error) {
    return `; healing: ${error.message}`;
  }
}

/** Writes to the container's log, because the check's own output is gone after the restart. */
function tellLog(reason) {
  const line = { level: "fatal", time: new Date().toISOString(), reason, msg: "hangs, ending the process" };
  try {
    writeFileSync("/proc/1/fd/1", `${JSON.stringify(line)}\n`);
  } catch {
    // The replica is ended with or without a line in the log.
  }
}

function ask(probesLeft) {
  const path = `/${process.env.PROBE || "readyz"}`;
  const request = get(
    { host: "127.0.0.1", port: PORT, path, timeout: PROBE_MS, agent: false },
    (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part) => (body += part));
      response.on("end", () => {
        let verdict = body.slice(0, 200);
        try {
          const { status, notes = [], checks = {} } = JSON.parse(body);
          const bad = Object.entries(checks).flatMap(([name, [result]]) =>
            result?.status === "pass"
              ? []
              : [`${name} ${result?.status ?? "not run yet"} ${result?.output ?? ""}`.trim()],
          );
          verdict = [status, ...notes, ...bad].join("; ");
        } catch {
          // Not JSON: the start of the body says more than nothing.
        }
        finish(response.statusCode === 200 ? 0 : 1, `${response.statusCode} ${verdict}${note(true)}`);
      });
    },
  );
  request.on("timeout", () => {
    const said = note(false);
    // It asks again at once, so that a replica that hangs is ended before the next check.
    if (said === "" && probesLeft > 1) ask(probesLeft - 1);
    else finish(1, `no answer from port ${PORT} within ${PROBE_MS} ms${said}`);
  });
  // Refused: it does not listen yet, or no longer listens. It starts or ends by itself.
  request.on("error", (error) => finish(1, `port ${PORT}: ${error.message}`));
}
const MISSED = Number(process.argv[2] ?? 0);
const SAID = MISSED > 0 ? note(false) : "";
if (SAID !== "") finish(1, `no answer from port ${PORT}${SAID}`);
ask(PROBES - MISSED);
