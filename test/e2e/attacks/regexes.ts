/** Every regular expression of the service's sources, found by the compiler's own parser. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { topicPattern, topicsPattern } from "../../../service/src/events/stream/topics.ts";
import { base64url } from "../../../service/src/push/http/schema.ts";

export interface FoundRegex {
  /** file:line */
  readonly place: string;
  readonly regex: RegExp;
}

const SOURCES = join(import.meta.dirname, "../../../service/src");

/** The expressions that are built at run time, by name. Add a new one here, or the test that counts them fails. */
export const composed: Readonly<Record<string, RegExp>> = {
  topicPattern,
  topicsPattern,
  // Built with the names from health/dependencies.ts.
  memberOfInfo: /^used_memory:(\d+)/m,
  // Of a browser's public key, the longest that it is built for.
  pushKey: base64url(65),
};

/** Finds the literals, and the places where `new RegExp` creates an expression. */
export function findRegexes(): { literals: FoundRegex[]; made: string[] } {
  const literals: FoundRegex[] = [];
  const made: string[] = [];
  for (const file of readdirSync(SOURCES, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue;
    const source = ts.createSourceFile(
      file,
      readFileSync(join(SOURCES, file), "utf8"),
      ts.ScriptTarget.Latest,
    );
    const visit = (node: ts.Node): void => {
      const place = `${file}:${source.getLineAndCharacterOfPosition(node.pos).line + 1}`;
      if (ts.isRegularExpressionLiteral(node)) {
        const [, pattern = "", flags] = /^\/([\s\S]*)\/([a-z]*)$/.exec(node.text) ?? [];
        literals.push({ place, regex: new RegExp(pattern, flags) });
      }
      const isMade = ts.isNewExpression(node) || ts.isCallExpression(node);
      if (isMade && node.expression.kind === ts.SyntaxKind.Identifier) {
        if ((node.expression as ts.Identifier).text === "RegExp") made.push(place);
      }
      node.forEachChild(visit);
    };
    visit(source);
  }
  return { literals, made };
}
