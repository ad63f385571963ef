import js from '@eslint/js';
import noUnsanitized from 'eslint-plugin-no-unsanitized';
import globals from 'globals';

/** What turns text into markup or code. The page has no use for any of it. */
const markup = [
  { selector: 'MemberExpression[property.name=/^(innerHTML|outerHTML|srcdoc|insertAdjacentHTML|setHTMLUnsafe|setHTML|createContextualFragment|parseFromString)$/]', message: 'Text never becomes markup: use dom.js.' },
  { selector: 'MemberExpression[property.value=/^(innerHTML|outerHTML|srcdoc|insertAdjacentHTML)$/]', message: 'Text never becomes markup: use dom.js.' },
  { selector: 'MemberExpression[object.name="document"][property.name=/^(write|writeln)$/]', message: 'Text never becomes markup: use dom.js.' },
];

/** What dom.js is there for. */
const making = [
  { selector: 'MemberExpression[object.name="document"][property.name=/^(createElement|createElementNS|createTextNode|createDocumentFragment)$/]', message: 'Only dom.js makes nodes.' },
  { selector: 'AssignmentExpression > MemberExpression.left[property.name=/^(href|src|srcset|formAction)$/]', message: 'Only dom.js sets where something leads or loads from.' },
  { selector: 'CallExpression[callee.property.name=/^(setAttribute|setAttributeNS)$/][arguments.0.value=/^(href|src|srcset|srcdoc|style|action|formaction|on.*)$/i]', message: 'Only dom.js sets where something leads or loads from.' },
];

export default [
  { ignores: ['static/vendor/', 'node_modules/', '.venv/', 'dist/', 'build/'] },
  js.configs.recommended,
  noUnsanitized.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-script-url': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      eqeqeq: 'error',
      'no-control-regex': 'off', // control characters are what much of this code is about
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['static/**/*.js'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'module', globals: globals.browser },
    rules: { 'no-restricted-syntax': ['error', ...markup, ...making] },
  },
  { files: ['static/dom.js'], rules: { 'no-restricted-syntax': ['error', ...markup] } },
  // Runs in pages that know nothing of ours: it makes the frame.
  { files: ['static/scrollcast-player.js'], rules: { 'no-restricted-syntax': ['error', ...markup] } },
  // Runs before any module can: it makes the import map that they are found by.
  { files: ['static/offline/boot.js'], languageOptions: { sourceType: 'script' }, rules: { 'no-restricted-syntax': ['error', ...markup] } },
  { files: ['tests/page/**/*.mjs', 'scripts/**/*.mjs', 'examples/**/*.mjs', '*.js'], languageOptions: { ecmaVersion: 2023, sourceType: 'module', globals: globals.nodeBuiltin } },
  { files: ['examples/**/*.js'], languageOptions: { ecmaVersion: 2023, sourceType: 'module', globals: globals.browser } },
  { files: ['tests/page/**/*.mjs'], languageOptions: { globals: globals.browser }, rules: { 'no-script-url': 'off' } }, // hostile text is what they are about
];
