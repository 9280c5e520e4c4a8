/** The command lines that messages tell people to type. */

/** Pure: "npm run logs -- backend --stack prod"; what is default is left out. */
export function npmRun(command: string, stack: string, ...args: readonly string[]): string {
  const all = [...args, ...(stack === "dev" ? [] : ["--stack", stack])];
  return ["npm run", command, ...(all.length === 0 ? [] : ["--", ...all])].join(" ");
}
