/** What is told about the end of the edge's certificate, and when. */
import { strict as assert } from "node:assert";
import { PassThrough } from "node:stream";
import { inspect } from "node:util";
import { createCertificate, endOf } from "../../../infra/components/edge/certificate.ts";
import { certificateEnd, certificateLine, describeCertificate } from "../../engine/certificate.ts";

const DAY_MS = 86_400_000;
const made = new Date("2026-11-26T12:00:00Z");

describe("the end of the certificate", () => {
  let ends: string;
  before(async () => (ends = endOf((await createCertificate(["127.0.0.1"], made)).certificate)));
  const daysBefore = (days: number) =>
    certificateEnd({ certificate: { value: { ends } } }, new Date(Date.parse(ends) - days * DAY_MS));

  it("is told 30, 14 and 3 days before, each time with more weight", () => {
    assert.deepEqual(
      [396, 30.01, 30, 14.01, 14, 3.01, 3, 0, -1].map((days) => daysBefore(days)?.nearness),
      [undefined, undefined, "soon", "soon", "near", "near", "now", "now", "now"],
    );
  });

  it("is told with its date and with what to do", () => {
    const line = (days: number) => describeCertificate(daysBefore(days) ?? assert.fail(), "prod");
    assert.match(
      line(14),
      /ends in 14 days \(2027-12-27\)\. Raise omniai:certificateSerial .*up -- --stack prod/,
    );
    assert.match(line(3.01), /^The edge's certificate ends in 3 days/);
    assert.match(line(3), /^To be done today: the edge's certificate ends in 3 days \(2027-12-27\)/);
    assert.match(line(0.5), /^To be done today: .*ends today/);
    assert.match(line(-2), /ended on 2027-12-27/);
  });

  it("is red in its last three days, and yellow before, on a terminal", () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true, getColorDepth: () => 4 });
    const { NO_COLOR: before } = process.env;
    delete process.env["NO_COLOR"];
    try {
      const line = (days: number) =>
        certificateLine(daysBefore(days) ?? assert.fail(), "prod", terminal as unknown as NodeJS.WriteStream);
      const [red, yellow] = [inspect.colors.red?.[0], inspect.colors.yellow?.[0]];
      assert.ok(line(3).includes(`\x1b[${red}m`));
      for (const days of [30, 14, 3.01]) assert.ok(line(days).startsWith(`\x1b[${yellow}m`), String(days));
    } finally {
      if (before !== undefined) process.env["NO_COLOR"] = before;
    }
  });

  it("is told of no stack that does not know it", () => {
    assert.equal(certificateEnd({}), undefined);
    assert.equal(certificateEnd({ certificate: { value: { ends: "" } } }), undefined);
  });
});
