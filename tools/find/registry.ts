/** The registry that the nodes of a Swarm pull from in the tests. `ensureToolchain` does not provide it. */
import { goTool } from "./go-tool.ts";

const MODULE = "github.com/distribution/distribution/v3";

export const registryPart = goTool("registry", MODULE, `${MODULE}/version.version`);
