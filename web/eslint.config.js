import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import config from './svelte.config.js';

export default ts.config(
  { ignores: ['dist/', 'node_modules/'] },
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig: config } },
    rules: { 'svelte/no-navigation-without-resolve': 'off' },
  },
  {
    rules: {
      'no-eval': 'error',
      'no-restricted-globals': ['error', { name: 'localStorage', message: 'only lib/settings.svelte.ts may keep anything, and only settings' }],
      'svelte/no-at-html-tags': 'error',
      // What is a plain Map or Date here is so on purpose: nothing on a page depends on it.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  // The tests look into the browser's stores, and try what the policy must refuse.
  { files: ['e2e/**'], rules: { 'no-restricted-globals': 'off', 'no-eval': 'off' } },
  { files: ['src/lib/settings.svelte.ts'], rules: { 'no-restricted-globals': 'off' } },
);
