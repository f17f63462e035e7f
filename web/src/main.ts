import { mount } from 'svelte';
import './app.css';
import App from './App.svelte';
import { chooseLanguage } from './lib/i18n.svelte';
import { start } from './lib/session.svelte';
import { applyLook } from './lib/settings.svelte';

applyLook();
await chooseLanguage().catch(() => {});
mount(App, { target: document.getElementById('app')! });
void start();
