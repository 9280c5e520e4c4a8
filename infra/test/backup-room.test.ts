/** The backup room's program, by its own tests in Python. */
import { join } from "node:path";
import { CONTEXT } from "../components/backup/image.ts";
import { describePython } from "./support/python-tests.ts";

describe("the backup room's program", () => {
  describePython(join(import.meta.dirname, "backup-room"), CONTEXT);
});
