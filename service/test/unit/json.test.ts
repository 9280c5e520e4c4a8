/** JSON that is passed on unchanged. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { hasNameTwice, parseExactly } from "../../src/platform/json.ts";

const through = (text: string): string => JSON.stringify(parseExactly(text));

/** Digits and a power of ten, in whole numbers, so that two numbers can be compared without rounding. */
function exact(text: string): { digits: bigint; power: number } {
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  return { digits: BigInt(whole + fraction), power: Number(exponent) - fraction.length };
}

function isSame(left: string, right: string): boolean {
  const [a, b] = [exact(left), exact(right)];
  if (a.digits === 0n || b.digits === 0n) return a.digits === b.digits;
  const least = Math.min(a.power, b.power);
  return a.digits * 10n ** BigInt(a.power - least) === b.digits * 10n ** BigInt(b.power - least);
}

describe("parseExactly", () => {
  it("keeps what JavaScript does not hold exactly as it was, and nothing else", () => {
    for (const text of ["12345678901234567890", "-12345678901234567891", "1e400", "-1E+400", "1e-400"])
      assert.equal(through(text), text);
    for (const text of [
      "9007199254740993",
      "0.1234567890123456789",
      "0.10000000000000001",
      "1.7976931348623159e308",
    ])
      assert.equal(through(`{"a":[${text}]}`), `{"a":[${text}]}`);
    assert.deepEqual(
      parseExactly("[1.0, 1e2, -0.50, 9007199254740992, 5e-324, 1e21, 0e999, 0.0]"),
      [1, 100, -0.5, 9007199254740992, 5e-324, 1e21, 0, 0],
    );
    for (const text of ["-0", "-0.0", "-0e5", '[-0,{"a":-0.00}]', '{"a":-0}'])
      assert.equal(through(text), text);
    assert.equal(through('{"a":-0 }'), '{"a":-0}');
    for (const text of ["0", "-0.5", "[-1,0]", '"-0"', '{"at":"2026-01-05, -0"}'])
      assert.equal(through(text), text);
    assert.equal(through('"12345678901234567890 1e400"'), '"12345678901234567890 1e400"', "no number");
  });

  it("gives every number that there is on as the same number", () => {
    const digits = fc.stringMatching(/^[0-9]{1,25}$/);
    const literal = fc
      .tuple(fc.boolean(), digits, fc.option(digits), fc.option(fc.integer({ min: -340, max: 340 })))
      .map(([isNegative, whole, fraction, exponent]) => {
        const start = `${isNegative ? "-" : ""}${whole.replace(/^0+(?=.)/, "")}`;
        return `${start}${fraction === null ? "" : `.${fraction}`}${exponent === null ? "" : `e${exponent}`}`;
      });
    fc.assert(
      fc.property(
        fc.oneof(literal, fc.double({ noDefaultInfinity: true, noNaN: true }).map(String)),
        (text) => assert.ok(isSame(through(text), text), `${text} became ${through(text)}`),
      ),
      { numRuns: 2000 },
    );
  });

  it("keeps exponents that JavaScript does not hold, and knows those that only look so", () => {
    const zeros = "0".repeat(30);
    for (const text of [`1e${"9".repeat(400)}`, `-0.1e-${"9".repeat(400)}`, "1e9007199254740993"])
      assert.equal(through(text), text);
    assert.deepEqual(parseExactly(`[0e${"9".repeat(400)}, 1e${zeros}2, 0.${zeros}1e31]`), [0, 100, 1]);
  });

  it("takes no longer for digits in the exponent than for digits elsewhere", () => {
    const msOf = (text: string): number =>
      Math.min(
        ...[1, 2, 3].map(() => {
          const began = performance.now();
          assert.equal(through(text), text);
          return performance.now() - began;
        }),
      );
    const digits = "9".repeat(250_000);
    const [exponent, fraction] = [msOf(`1e${digits}`), msOf(`0.${digits}`)];
    // With the square of the time it would be hundreds of times as long.
    assert.ok(exponent < 10 * fraction + 20, `${exponent} and ${fraction} ms`);
  });

  it("says of JSON what JSON.parse says", () => {
    fc.assert(
      fc.property(fc.json(), (text) => assert.equal(through(text), JSON.stringify(JSON.parse(text)))),
    );
    for (const text of ["", "{", "01", "1.", "1e", "[1234567890123456789,]", "NaN"])
      assert.throws(() => parseExactly(text), SyntaxError);
  });
});

describe("hasNameTwice", () => {
  const twice = (text: string): boolean => hasNameTwice(text, JSON.parse(text));

  it("finds a name that is twice in one object, however it is written", () => {
    for (const text of [
      '{"a":1,"a":1}',
      '{"a" :1,"\\u0061"\n:2}',
      '[{"b":{"x":1,"y":2,"x":3}}]',
      '{"":0,"":1}',
    ])
      assert.ok(twice(text), text);
    assert.ok(
      hasNameTwice('{"a":12345678901234567890,"a":1}', parseExactly('{"a":12345678901234567890,"a":1}')),
    );
  });

  it("finds none in any other JSON", () => {
    for (const text of [
      '{"a":"b\\":","c":{"a":"\\\\"}}',
      '[{"a":1},{"a":1}]',
      '"a:a"',
      '{"__proto__":{"a":1},"a":1}',
    ])
      assert.ok(!twice(text), text);
    fc.assert(fc.property(fc.json(), (text) => assert.ok(!twice(text))));
    const numbers = '{"a":12345678901234567890,"b":[1e400]}';
    assert.ok(!hasNameTwice(numbers, parseExactly(numbers)));
  });
});
