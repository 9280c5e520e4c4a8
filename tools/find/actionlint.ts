/** actionlint, which checks .github/workflows. Only the tests need it, so `ensureToolchain` does not provide it. */
import { goTool } from "./go-tool.ts";

const MODULE = "github.com/rhysd/actionlint";

export const actionlintPart = goTool("actionlint", MODULE, `${MODULE}.version`);
