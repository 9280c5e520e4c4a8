/** How an input names a file of this checkout, so that it is the same in every checkout and on every machine. */
import { dirname, relative, sep } from "node:path";

/** The program's folder (`main` in Pulumi.yaml). The engine starts the program and every plugin in it. */
const PROGRAM_FOLDER = dirname(import.meta.dirname);

/** Pure: the path as a plugin finds it. An absolute one would be a change wherever the checkout lies elsewhere. */
export const fromProgram = (path: string): string => relative(PROGRAM_FOLDER, path).split(sep).join("/");
