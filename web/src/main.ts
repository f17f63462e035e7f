import { mount } from 'svelte';
import './app.css';
import App from './App.svelte';
import { chooseLanguage } from './lib/i18n.svelte';
import { route } from './lib/router.svelte';
import { start } from './lib/session.svelte';
import { applyLook } from './lib/settings.svelte';
import { begin, sourceOf } from './lib/timeline.svelte';

applyLook();
// What the first page lists is asked for while the words are fetched and the frame around it is made.
const source = sourceOf(route);
// Of hidden photos it is not known yet whether they may be asked for.
void start(async () => { if (source && source.shelf !== 'hidden') await begin(source); });
await chooseLanguage().catch(() => {});
mount(App, { target: document.getElementById('app')! });
