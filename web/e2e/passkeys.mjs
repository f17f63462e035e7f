// Unlocking with a passkey, as Chromium's own virtual authenticator gives it: made, asked, refused, removed, all by keys.
import assert from 'node:assert/strict';
import { drawNoise, Library, open, PASSPHRASE, visit } from './gallery.mjs';
import { heard, mocked, test, violations } from './steps.mjs';

/** An authenticator of this page that recognises its owner and gives out secrets, unless it is said otherwise. */
async function authenticator(page, { hasPrf = true, isUserVerified = true } = {}) {
  const debug = await page.context().newCDPSession(page);
  await debug.send('WebAuthn.enable');
  const options = { protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified, automaticPresenceSimulation: true, hasPrf };
  const { authenticatorId } = await debug.send('WebAuthn.addVirtualAuthenticator', { options });
  return {
    credentials: async () => (await debug.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    clear: () => debug.send('WebAuthn.clearCredentials', { authenticatorId }),
    remove: () => debug.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }),
  };
}

async function clean(page, name, pictures) {
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await violations(page), [], `${name}, ${colorScheme}`);
    await pictures(`${name}-${colorScheme}`, page);
  }
}

/** The dialog that adds one, as far as the browser's own question, by keys alone. */
async function toMaking(page, label) {
  await page.getByRole('button', { name: 'Add a passkey' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Add a passkey' });
  await dialog.getByLabel('What to call it').fill(label);
  await page.keyboard.press('Enter');
  await dialog.getByLabel('Passphrase', { exact: true }).fill('a guess of somebody');
  await page.keyboard.press('Enter');
  await dialog.getByText(/does not open the library/).waitFor();
  await dialog.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
  await page.keyboard.press('Enter');
  const make = dialog.getByRole('button', { name: 'Make the passkey' });
  await make.waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent?.includes('Make the passkey'));
  return dialog;
}

/** Locks, and waits until the page has heard whether there are passkeys. */
async function lock(page) {
  const told = page.waitForResponse('**/api/v1/passkeys');
  await page.evaluate(() => fetch('/api/v1/lock', { method: 'POST', headers: { 'x-safelight': sessionStorage.getItem('safelight-secret') } }));
  await page.getByRole('heading', { name: 'Locked' }).waitFor();
  await (await told).finished();
  await page.evaluate(() => new Promise((shown) => { requestAnimationFrame(() => { requestAnimationFrame(shown); }); }));
}

test('a passkey is made on the page of keys, opens the locked library by keys alone, and opens nothing once it is removed', async ({ browser, pictures }) => {
  if (mocked) return;
  const own = new Library();
  try {
    own.make(null, (folder) => drawNoise(folder, 'ONE.png', 4));
    const serve = own.serve();
    const { page, context, wrong } = await open(browser, await serve.address);
    // One that recognises nobody shuts for good.
    const stranger = await authenticator(page, { isUserVerified: false });
    await page.waitForSelector('[role=gridcell] .pick');
    await visit(page, '/keys');
    const ways = page.getByRole('list', { name: 'Ways to unlock' });
    await ways.getByText('passphrase', { exact: true }).waitFor();
    await clean(page, 'keys-with-passkeys', pictures);

    // Without a passkey nothing of one is offered.
    await lock(page);
    assert.equal(await page.getByRole('button', { name: 'Unlock with a passkey' }).count(), 0);
    await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Add a passkey' }).waitFor();

    const dialog = await toMaking(page, 'this laptop');
    await clean(page, 'passkey-making', pictures);
    // Whoever is not recognised makes none, and is told.
    await page.keyboard.press('Enter');
    await dialog.getByRole('alert').filter({ hasText: 'No passkey has answered' }).waitFor();
    assert.equal((await stranger.credentials()).length, 0);
    await stranger.remove();
    const owner = await authenticator(page);
    await page.keyboard.press('Enter');
    await heard(page, /The passkey opens the library now/);
    await ways.getByText('this laptop').waitFor();
    assert.equal((await owner.credentials()).length, 1);
    assert.equal((await owner.credentials())[0].rpId, 'localhost');
    await page.waitForFunction(() => document.activeElement?.textContent?.includes('Add a passkey'), null, { timeout: 5_000 });

    // The same device takes no second one.
    const again = await toMaking(page, 'this laptop');
    await page.keyboard.press('Enter');
    await again.getByRole('alert').filter({ hasText: 'is there already' }).waitFor();
    await page.keyboard.press('Escape');
    assert.equal((await owner.credentials()).length, 1);

    await lock(page);
    const unlock = page.getByRole('button', { name: 'Unlock with a passkey' });
    await unlock.waitFor();
    await clean(page, 'locked-with-passkey', pictures);
    await page.waitForFunction(() => document.activeElement?.tagName === 'INPUT');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.waitForFunction(() => document.activeElement?.textContent?.includes('Unlock with a passkey'));
    // What the authenticator gives is not what arrives: it opens nothing, and the page says so.
    let spoilt = 0;
    await page.route('**/api/v1/passkeys/unlock', (route) => {
      spoilt++;
      const said = route.request().postDataJSON();
      return route.continue({ postData: JSON.stringify({ ...said, output: 'A'.repeat(43) }) });
    });
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'that passkey does not open the library' }).waitFor();
    assert.deepEqual(await violations(page), []);
    await page.unroute('**/api/v1/passkeys/unlock');
    assert.equal(spoilt, 1);
    await page.keyboard.press('Enter');
    await ways.getByText('this laptop').waitFor();

    // Another unlock key asks it nothing, and it opens that, too.
    await lock(page);
    own.run('key', 'rotate');
    await unlock.press('Enter');
    await ways.getByText('this laptop').waitFor();

    await page.getByRole('button', { name: 'Remove this laptop' }).press('Enter');
    const taking = page.getByRole('dialog', { name: 'Remove this laptop' });
    await taking.getByText(/The passkey itself may stay/).waitFor();
    assert.deepEqual(await violations(page), []);
    await taking.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
    await page.keyboard.press('Enter');
    await heard(page, /this laptop opens the library no more/);
    await lock(page);
    assert.equal(await unlock.count(), 0);
    assert.deepEqual(wrong, []);
    await context.close();
    await serve.stop();
  } finally { own.remove(); }
});

test('a passkey that is gone, or that gives out no secret, is told of, and the passphrase works on', async ({ browser, pictures }) => {
  if (mocked) return;
  const own = new Library();
  try {
    own.make(null, (folder) => drawNoise(folder, 'ONE.png', 5));
    const serve = own.serve();
    const { page, context, wrong } = await open(browser, await serve.address);
    await page.waitForSelector('[role=gridcell] .pick');
    await visit(page, '/keys');
    const ways = page.getByRole('list', { name: 'Ways to unlock' });
    const dumb = await authenticator(page, { hasPrf: false });
    const dialog = await toMaking(page, 'old key');
    await page.keyboard.press('Enter');
    await dialog.getByRole('alert').filter({ hasText: 'cannot open a library' }).waitFor();
    await pictures('passkey-none', page);
    await page.keyboard.press('Escape');
    assert.equal(await ways.getByText('old key').count(), 0);
    await dumb.remove();

    const owner = await authenticator(page);
    await toMaking(page, 'lost telephone');
    await page.keyboard.press('Enter');
    await ways.getByText('lost telephone').waitFor();
    await owner.clear();
    await lock(page);
    await page.getByRole('button', { name: 'Unlock with a passkey' }).press('Enter');
    await page.getByRole('alert').filter({ hasText: 'No passkey has answered' }).waitFor();
    await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
    await page.keyboard.press('Enter');
    await ways.getByText('lost telephone').waitFor();

    // A browser that cannot ask says so, and offers none to add.
    await page.addInitScript(() => { Reflect.deleteProperty(globalThis, 'PublicKeyCredential'); });
    await page.reload();
    await ways.getByText('lost telephone').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Add a passkey' }).count(), 0);
    await lock(page);
    await page.getByText(/this browser cannot ask for it/).waitFor();
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(wrong, []);
    await context.close();
    await serve.stop();
  } finally { own.remove(); }
});
