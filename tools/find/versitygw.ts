/** versitygw, the S3 server that holds a shared state in the tests. `ensureToolchain` does not provide it. */
import { goTool } from "./go-tool.ts";

export const versitygwPart = goTool("versitygw", "github.com/versity/versitygw", "main.Version");
