// The engine's probe: asks this replica's internal port whether it is ready, prints the verdict, exits 0 or 1.
// Plain JavaScript and one import: it is started every few seconds.
import { get } from "node:http";

const port = Number(process.env.OMNIAI_INTERNAL_PORT || 9000);
const finish = (code, line) => {
  console.log(line);
  process.exit(code);
};
const request = get({ host: "127.0.0.1", port, path: "/readyz", timeout: 2000, agent: false }, (response) => {
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
    finish(response.statusCode === 200 ? 0 : 1, `${response.statusCode} ${verdict}`);
  });
});
request.on("timeout", () => finish(1, `no answer from port ${port} within 2 s`));
request.on("error", (error) => finish(1, `port ${port}: ${error.message}`));
