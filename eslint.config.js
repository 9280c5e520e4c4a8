/** How the code of all rooms is written: the recommended rules, and the one dialect of this repository. */
import js from "@eslint/js";
import tseslint from "typescript-eslint";

/** Every source file begins with a comment that says what the file is for. */
const fileHeader = {
  meta: {
    type: "suggestion",
    schema: [],
    messages: { missing: "Begin the file with /** … */: what is it for?" },
  },
  create: (context) => ({
    Program(program) {
      const { sourceCode } = context;
      const first = sourceCode.getAllComments().find(({ type }) => type !== "Shebang");
      const token = sourceCode.getFirstToken(program);
      const isHeader =
        first?.type === "Block" &&
        first.value.startsWith("*") &&
        (token === null || first.range[1] <= token.range[0]);
      if (!isHeader) context.report({ loc: { line: 1, column: 0 }, messageId: "missing" });
    },
  }),
};

const noDefaultExport = {
  selector: "ExportDefaultDeclaration",
  message: "Name what you export: no default exports.",
};
const namedNodeImports = {
  selector:
    "ImportDeclaration[source.value=/^node:/] > :matches(ImportDefaultSpecifier, ImportNamespaceSpecifier)",
  message: 'Import the names that you use: import { readFileSync } from "node:fs".',
};
const noPrivateKeyword = {
  // A constructor has no other way to be private.
  selector:
    ':matches(PropertyDefinition, AccessorProperty, MethodDefinition[kind!="constructor"], TSParameterProperty)[accessibility="private"]',
  message: "Write private members as #name.",
};
/** For JavaScript, where the names' types are not known; naming-convention looks at TypeScript. */
const upperCaseConstants = {
  selector:
    ':matches(Program, Program > ExportNamedDeclaration) > VariableDeclaration[kind="const"] > VariableDeclarator[id.name=/[a-z]/]:matches([init.type="Literal"]:not([init.regex]), [init.type="TemplateLiteral"], [init.type="ArrayExpression"])',
  message: "Write the names of constants that hold a primitive or an array in UPPER_CASE.",
};
const NAMING = [
  "error",
  { selector: "variable", modifiers: ["const", "global", "destructured"], format: null },
  {
    selector: "variable",
    modifiers: ["const", "global", "destructured"],
    types: ["boolean", "string", "number", "array"],
    format: null,
  },
  {
    selector: "variable",
    modifiers: ["const", "global"],
    types: ["boolean", "string", "number", "array"],
    format: ["UPPER_CASE"],
  },
  { selector: "variable", modifiers: ["const", "global"], format: ["camelCase"] },
  { selector: "function", format: ["camelCase"] },
  { selector: "typeLike", format: ["PascalCase"] },
];

export default tseslint.config(
  { ignores: ["**/node_modules/", ".state/", "frontend/js/transport/types/"] },
  js.configs.recommended,
  {
    plugins: { house: { rules: { "file-header": fileHeader } } },
    rules: {
      "house/file-header": "error",
      "no-restricted-syntax": ["error", namedNodeImports, upperCaseConstants],
    },
  },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-restricted-syntax": ["error", noDefaultExport, namedNodeImports, noPrivateKeyword],
      "@typescript-eslint/naming-convention": NAMING,
    },
  },
  {
    files: ["**/*.mjs", "**/*.cjs", "eslint.config.js"],
    languageOptions: {
      globals: {
        process: "readonly",
        console: "readonly",
        URL: "readonly",
        setTimeout: "readonly",
        require: "readonly",
        module: "writable",
      },
    },
  },
  {
    // TypeScript knows the browser's names, and checks these files too (frontend/tsconfig.json).
    files: ["frontend/**/*.js"],
    rules: { "no-undef": "off" },
  },
  {
    files: ["**/test/**/*.ts"],
    rules: { "@typescript-eslint/no-unused-expressions": "off" },
  },
);
