/**
 * Loaded into a command of ours by NODE_OPTIONS: writes the name of every program that the command starts into the file of
 * OMNIAI_TEST_STARTS, a line each. What those programs start is not in it.
 */
// @ts-check
import { subscribe } from "node:diagnostics_channel";
import { appendFileSync } from "node:fs";
import { basename } from "node:path";

const file = process.env["OMNIAI_TEST_STARTS"] ?? "";
// Only the command itself: what it starts may be a Node program too.
delete process.env["OMNIAI_TEST_STARTS"];
delete process.env["NODE_OPTIONS"];

if (file !== "") {
  subscribe("child_process", (message) => {
    const { process: child } = /** @type {{ process: import("node:child_process").ChildProcess }} */ (
      message
    );
    // Published before the child knows what it runs.
    process.nextTick(() => {
      // `nice` is followed by what it runs.
      const words = child.spawnargs[0] === "nice" ? child.spawnargs.slice(3) : child.spawnargs;
      appendFileSync(file, `${[basename(words[0] ?? ""), ...words.slice(1)].join(" ")}\n`);
    });
  });
}
