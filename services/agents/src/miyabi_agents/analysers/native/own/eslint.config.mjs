// What eslint finds fault with where a repository has no eslint or no configuration of it: likely bugs, nothing of style.
import js from "@eslint/js";
import parser from "@typescript-eslint/parser";
import globals from "globals";

const everywhere = { ...globals.browser, ...globals.node, ...globals.jest, ...globals.mocha, ...globals.worker };
const off = {
  // What they find is style, or depends on what a repository's own configuration would say.
  "no-unused-vars": "off", "no-empty": "off", "no-prototype-builtins": "off", "no-useless-escape": "off",
  "no-control-regex": "off", "no-redeclare": "off", "no-inner-declarations": "off", "no-case-declarations": "off",
};
const more = { "no-eval": "error", "no-new-func": "error", "array-callback-return": "error", "use-isnan": "error" };

export default [
  {
    files: ["**/*.js", "**/*.cjs", "**/*.mjs", "**/*.jsx"],
    languageOptions: { globals: everywhere, parserOptions: { ecmaFeatures: { jsx: true } } },
    rules: { ...js.configs.recommended.rules, ...off, ...more },
  },
  { files: ["**/*.cjs"], languageOptions: { sourceType: "commonjs" } },
  {
    files: ["**/*.ts", "**/*.cts", "**/*.mts", "**/*.tsx"],
    languageOptions: { parser, parserOptions: { ecmaFeatures: { jsx: true } } },
    // The compiler knows names and types better.
    rules: { ...js.configs.recommended.rules, ...off, ...more, "no-undef": "off", "no-dupe-class-members": "off" },
  },
];
