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
    },
  },
  { files: ['src/lib/settings.svelte.ts'], rules: { 'no-restricted-globals': 'off' } },
);
