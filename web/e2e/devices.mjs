// The devices of the library: named, let in by a code, and let go, with a second library that joins through a folder.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { drawNoise, Library, open, visit } from './gallery.mjs';
import { focused, heard, mocked, test, violations } from './steps.mjs';

/** Axe in light and dark. */
async function clean(page, name, pictures) {
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await violations(page), [], `${name}, ${colorScheme}`);
    await pictures(`${name}-${colorScheme}`, page);
  }
}

/** A library with three photos and a place that others reach. */
function connected() {
  const own = new Library();
  own.make(null, (folder) => { for (const seed of [1, 2, 3]) drawNoise(folder, `SHARED_${seed}.png`, 800 + seed); });
  own.place = `folder:${join(own.folder, 'nas')}`;
  mkdirSync(join(own.folder, 'nas'));
  own.run('remote', 'add', 'nas', own.place);
  own.run('sync', 'nas');
  return own;
}

/** A second device: the command line joins by a code, and tells what it does line by line. */
function joins(own, name, code, ...more) {
  const env = own.env();
  const child = spawn(process.env.SAFELIGHT_BIN, ['--json', '--library', join(own.folder, name), 'join', own.place, '--code', '--device-name', name, '--name', 'nas', ...more], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  let told = '';
  child.stderr.on('data', (piece) => { told += piece; });
  own.joining = [...(own.joining ?? []), child];
  const waiting = [];
  const look = () => {
    for (const one of [...waiting]) {
      const line = said.split('\n').find((each) => each.includes(`"event":"${one.name}"`));
      if (line) { waiting.splice(waiting.indexOf(one), 1); one.resolve(JSON.parse(line)); }
    }
  };
  child.stdout.on('data', (piece) => { said += piece; look(); });
  const ended = new Promise((resolve) => child.on('exit', (status) => { for (const one of waiting) one.reject(new Error(`join ended with ${status}: ${told}${said}`)); resolve(status); }));
  child.stdin.write(`${code}\n`);
  return {
    event: (event) => new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`join said nothing of ${event}: ${told}${said}`)), 60_000).unref();
      waiting.push({ name: event, resolve, reject });
      look();
    }),
    hear: (line) => child.stdin.write(`${line}\n`),
    ended,
  };
}

/** Ends what still runs, whatever came before. */
function end(own) {
  for (const child of own.joining ?? []) child.kill('SIGKILL');
  own.remove();
}

const card = (page, name) => page.getByRole('listitem', { name, exact: true });
const invite = (page) => page.getByRole('region', { name: 'Let another device in' });

test('a device is let in by a code and six words, named, and no longer trusted, by keys; and what it can still read is said', async ({ browser, pictures }) => {
  if (mocked) return;
  const own = connected();
  try {
    const serve = own.serve();
    const { page, context, wrong } = await open(browser, await serve.address);
    const errors = [];
    page.on('console', (message) => { if (message.type() === 'error') errors.push(`${message.text()} ${message.location().url}`); });
    await page.waitForSelector('[role=gridcell] .pick');
    await visit(page, '/devices');
    await page.getByText('This device', { exact: true }).waitFor();
    await clean(page, 'devices-one', pictures);
    assert.equal(await page.getByRole('button', { name: /^Stop trusting it:/ }).count(), 0, 'the last device cannot leave');

    // A name.
    await page.getByRole('button', { name: /^Rename: / }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByLabel('Name').fill('Desk');
    await page.keyboard.press('Enter');
    await heard(page, /It is called Desk now/);
    await card(page, 'Desk').waitFor();
    assert.ok(JSON.parse(own.run('--json', 'device')).some((device) => device.name === 'Desk'));

    // An invitation that is called off leaves nothing of its code.
    const show = invite(page).getByRole('button', { name: 'Show a code' });
    await show.focus();
    await page.keyboard.press('Enter');
    const words = invite(page).getByLabel('Eight words to type');
    await words.waitFor();
    assert.equal((await words.textContent()).trim().split(/\s+/).length, 8);
    await invite(page).getByRole('img', { name: /QR/ }).waitFor();
    assert.match(await invite(page).getByRole('timer').textContent(), /^Good for (10:00|9:\d\d) more/);
    await clean(page, 'devices-code', pictures);
    const first = await words.textContent();
    await invite(page).getByRole('button', { name: 'Call it off' }).focus();
    await page.keyboard.press('Enter');
    await show.waitFor();
    assert.ok(!(await page.content()).includes(first.trim()));

    // Another one: the command line comes in by its words, and both show the same six.
    await show.focus();
    await page.keyboard.press('Enter');
    await words.waitFor();
    const code = (await words.textContent()).trim();
    assert.notEqual(code, first.trim());
    const other = joins(own, 'tablet', code);
    const there = await other.event('compare');
    assert.equal(there.other, 'Desk');
    const six = invite(page).getByLabel('Six words to compare');
    await six.waitFor();
    assert.equal((await six.textContent()).trim(), there.six_words);
    await invite(page).getByText(/^tablet has come/).waitFor();
    assert.ok(!(await page.content()).includes(code), 'the code is of no use any more');
    await clean(page, 'devices-compare', pictures);
    assert.equal(JSON.parse(own.run('--json', 'device')).length, 1, 'nobody is let in before somebody said yes');
    await invite(page).getByRole('button', { name: 'Yes, the same' }).focus();
    await page.keyboard.press('Enter');
    other.hear((await six.textContent().catch(() => there.six_words)) ?? there.six_words);
    await invite(page).getByText('tablet belongs to the library now.').waitFor();
    assert.equal((await other.event('joined')).unwitnessed, false);
    assert.equal(await other.ended, 0);
    await card(page, 'tablet').waitFor();
    await clean(page, 'devices', pictures);
    await invite(page).getByRole('button', { name: 'Close' }).focus();
    await page.keyboard.press('Enter');
    await show.waitFor();

    // It is lost: nothing is done before it was said what that means.
    const revoke = card(page, 'tablet').getByRole('button', { name: 'Stop trusting it: tablet' });
    await revoke.focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Stop trusting tablet' });
    await dialog.getByText(/3 photos and videos, and their history/).waitFor();
    await dialog.getByText('unshare the folder with it, or take the drive').waitFor();
    await clean(page, 'devices-revoke', pictures);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('dialog') === null);
    assert.match((await focused(page)).name, /Stop trusting it: tablet/);
    assert.ok(JSON.parse(own.run('--json', 'device')).every((device) => device.standing === 'active'), 'no is no');
    await page.keyboard.press('Enter');
    await dialog.getByRole('button', { name: 'Stop trusting it' }).focus();
    await page.keyboard.press('Enter');
    await dialog.getByText(/tablet is not trusted any more/).waitFor();
    await dialog.getByRole('button', { name: 'Close' }).last().focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'No longer in the library' }).waitFor();
    await card(page, 'tablet').getByText('Not trusted any more').waitFor();
    assert.equal(JSON.parse(own.run('--json', 'device')).find((device) => device.name === 'tablet').standing, 'revoked');
    assert.deepEqual([...errors, ...wrong], []);
    await context.close();
    await serve.stop();
  } finally { end(own); }
});

test('words that differ let nobody in, and the page says so', async ({ browser }) => {
  if (mocked) return;
  const own = connected();
  try {
    const serve = own.serve();
    const { page, context, wrong } = await open(browser, await serve.address, { locale: 'de-DE' });
    await page.waitForSelector('[role=gridcell] .pick');
    await visit(page, '/devices');
    const region = page.getByRole('region', { name: 'Ein weiteres Gerät hereinlassen' });
    await region.getByRole('button', { name: 'Code zeigen' }).click();
    const words = region.getByLabel('Acht Wörter zum Eintippen');
    await words.waitFor();
    const other = joins(own, 'stranger', (await words.textContent()).trim());
    await other.event('compare');
    await region.getByRole('button', { name: 'Nein, andere' }).click();
    await region.getByRole('alert').filter({ hasText: /Bildschirme|Wörter/ }).waitFor();
    other.hear('not these words at all here');
    assert.notEqual(await other.ended, 0);
    assert.equal(JSON.parse(own.run('--json', 'device')).length, 1);
    assert.deepEqual(wrong, []);
    await context.close();
    await serve.stop();
  } finally { end(own); }
});

test('a device that only uploads is let in, and what it sends is listed and taken in', async ({ browser, pictures }) => {
  if (mocked) return;
  const own = connected();
  try {
    const serve = own.serve();
    const { page, context, wrong } = await open(browser, await serve.address);
    await page.waitForSelector('[role=gridcell] .pick');
    await visit(page, '/devices');
    assert.equal(await page.getByRole('heading', { name: 'What was uploaded' }).count(), 0, 'while there is no such device');
    await invite(page).getByRole('checkbox', { name: /It only uploads/ }).check();
    await invite(page).getByRole('button', { name: 'Show a code' }).click();
    const words = invite(page).getByLabel('Eight words to type');
    await words.waitFor();
    assert.match(await invite(page).locator('code').innerText(), /--code --upload-only$/);
    const other = joins(own, 'phone', (await words.textContent()).trim(), '--upload-only');
    const there = await other.event('compare');
    await invite(page).getByRole('button', { name: 'Yes, the same' }).click();
    other.hear(there.six_words);
    await invite(page).getByText('phone may upload now, and opens nothing.').waitFor();
    assert.equal(await other.ended, 0);
    await card(page, 'phone').getByText('only uploads').waitFor();

    // It sends a photo, which is seen before it is taken in.
    mkdirSync(join(own.folder, 'camera'));
    drawNoise(join(own.folder, 'camera'), 'UPLOADED.png', 4711);
    const sent = spawnSync(process.env.SAFELIGHT_BIN, ['--library', join(own.folder, 'phone'), 'import', join(own.folder, 'camera'), '--yes'], { env: own.env(), encoding: 'utf8' });
    assert.equal(sent.status, 0, sent.stderr);
    const inbox = page.getByRole('region', { name: 'What was uploaded' });
    await inbox.getByRole('button', { name: 'Look what has come' }).click();
    await inbox.getByText('1 upload lies there').waitFor();
    await inbox.getByText('To be taken in').waitFor();
    await clean(page, 'inbox', pictures);
    await inbox.getByRole('button', { name: 'Take it in now' }).click();
    await inbox.getByText('1 upload taken in.').waitFor();
    await clean(page, 'inbox-taken', pictures);
    assert.equal(JSON.parse(own.run('--json', 'list', 'name:UPLOADED.png')).length, 1);
    assert.deepEqual(wrong, []);
    await context.close();
    await serve.stop();
  } finally { end(own); }
});
