// Draws the icons of the installed gallery from public/icon.svg:  node dev/icons.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch } from '../e2e/gallery.mjs';

const folder = join(import.meta.dirname, '../public');
const drawing = readFileSync(join(folder, 'icon.svg'), 'utf8');
const browser = await launch();
const page = await browser.newPage();
// What is masked by the system has its ground up to the edges, and everything that matters within the middle 80 %.
const whole = drawing.replace(/<rect [^>]*\/>/, '');
for (const [name, size, svg] of [
  ['icon-192.png', 192, drawing],
  ['icon-512.png', 512, drawing],
  ['icon-mask-512.png', 512, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 80 80"><rect x="-8" y="-8" width="80" height="80" fill="#241614"/>${whole.replace(/<\/?svg[^>]*>/g, '')}</svg>`],
]) {
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`<style>* { margin: 0; background: transparent } svg { display: block; width: ${size}px; height: ${size}px }</style>${svg}`);
  writeFileSync(join(folder, name), await page.screenshot({ omitBackground: true }));
}
await browser.close();
