// Asks an authenticator for the passkeys of this library, by the browser. What it answers over a salt (WebAuthn's PRF extension)
// is the secret that opens a key slot: it goes to the server beside us, and is kept nowhere.
import { ApiError, list, post } from './api';
import type { Key } from './i18n.svelte';
import { enter } from './session.svelte';
import type { Passkey, Slot } from './types';

/** Passkeys are of a name, and the gallery has this one alone. */
const RELYING_PARTY = 'localhost';
/** EdDSA, ES256 and RS256. Nothing is signed for us, but one must be named. */
const ALGORITHMS = [-8, -7, -257];

/** Why no passkey answered, as a sentence of the catalogue. */
export class PasskeyError extends Error {
  constructor(readonly says: Key, message = '') { super(message); }
}

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
export const textOf = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');

/** Whether this browser can ask for the secret of a passkey; one that does not say so may. */
export async function isUsable(): Promise<boolean> {
  if (!('PublicKeyCredential' in globalThis)) return false;
  const said = await PublicKeyCredential.getClientCapabilities?.().catch(() => undefined);
  return (said as Record<string, boolean> | undefined)?.['extension:prf'] !== false;
}

export const passkeys = (): Promise<Passkey[]> => list<Passkey>('passkeys');

interface Answer { credential: string; output: string }

function refused(error: unknown): never {
  if (error instanceof PasskeyError) throw error;
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'InvalidStateError') throw new PasskeyError('passkey.known');
  if (name === 'NotAllowedError' || name === 'AbortError') throw new PasskeyError('passkey.cancelled');
  throw new PasskeyError('passkey.failed', error instanceof Error ? error.message : String(error));
}

/** What a credential gave, if it gave a whole secret. */
function outputOf(credential: PublicKeyCredential): string | null {
  const first = credential.getClientExtensionResults().prf?.results?.first;
  if (first === undefined) return null;
  const bytes = ArrayBuffer.isView(first) ? new Uint8Array(first.buffer, first.byteOffset, first.byteLength) : new Uint8Array(first);
  const output = bytes.length === 32 ? textOf(bytes) : null;
  bytes.fill(0);
  return output;
}

/** A signature over this is looked at by nobody: what opens the library is the secret. */
const challenge = (): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(32));

/** Asks for one of these passkeys. */
export async function ask(these: Pick<Passkey, 'credential' | 'salt'>[], signal: AbortSignal): Promise<Answer> {
  const found = await navigator.credentials.get({
    signal,
    publicKey: {
      challenge: challenge(), rpId: RELYING_PARTY, userVerification: 'required',
      allowCredentials: these.map(({ credential }) => ({ type: 'public-key' as const, id: bytesOf(credential) })),
      extensions: { prf: { evalByCredential: Object.fromEntries(these.map(({ credential, salt }) => [credential, { first: bytesOf(salt) }])) } },
    },
  }).catch(refused) as PublicKeyCredential | null;
  if (!found) throw new PasskeyError('passkey.cancelled');
  const output = outputOf(found);
  if (output === null) throw new PasskeyError('passkey.none');
  return { credential: found.id, output };
}

/** Makes a passkey for a salt. `output` is null where it must be asked for that once more. */
async function make(label: string, salt: string, known: Passkey[], signal: AbortSignal): Promise<{ credential: string; output: string | null }> {
  const made = await navigator.credentials.create({
    signal,
    publicKey: {
      challenge: challenge(), rp: { id: RELYING_PARTY, name: 'Safelight' },
      user: { id: crypto.getRandomValues(new Uint8Array(32)), name: label, displayName: label },
      pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key' as const, alg })),
      excludeCredentials: known.map(({ credential }) => ({ type: 'public-key' as const, id: bytesOf(credential) })),
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
      extensions: { prf: { eval: { first: bytesOf(salt) } } },
    },
  }).catch(refused) as PublicKeyCredential | null;
  if (!made) throw new PasskeyError('passkey.cancelled');
  const output = outputOf(made);
  if (output === null && !made.getClientExtensionResults().prf?.enabled) {
    await forget(made.id);
    throw new PasskeyError('passkey.none');
  }
  return { credential: made.id, output };
}

/** Tells whoever keeps a passkey that it opens nothing here any more, where the browser can. */
export async function forget(credential: string): Promise<void> {
  // Newer than the types of the browser that this is built with.
  const told = (PublicKeyCredential as { signalUnknownCredential?: (of: { rpId: string; credentialId: string }) => Promise<void> }).signalUnknownCredential;
  await told?.call(PublicKeyCredential, { rpId: RELYING_PARTY, credentialId: credential }).catch(() => {});
}

/** Opens the library with one of these. */
export async function unlockBy(these: Passkey[], signal: AbortSignal): Promise<void> {
  await enter('passkeys/unlock', await ask(these, signal));
}

/** A passkey that is being added. Whoever stopped half-way goes on where they were; what is not taken in the end is told so. */
export class Making {
  #made: string | null = null;
  #output: string | null = null;
  constructor(readonly salt: string, readonly label: string) {}

  async add(signal: AbortSignal): Promise<Slot> {
    if (this.#made === null) {
      const made = await make(this.label || 'Safelight', this.salt, await passkeys(), signal);
      this.#made = made.credential;
      this.#output = made.output;
    }
    this.#output ??= (await ask([{ credential: this.#made, salt: this.salt }], signal)).output;
    try {
      const slot = await post<Slot>('passkeys', { salt: this.salt, credential: this.#made, output: this.#output, label: this.label });
      this.#made = this.#output = null;
      return slot;
    } catch (error) {
      // It took too long: nothing takes this one any more.
      if (error instanceof ApiError && error.problem.code === 'refused') await this.end();
      throw error;
    }
  }

  /** Nobody goes on: what was made and not taken opens nothing. */
  async end(): Promise<void> {
    const made = this.#made;
    this.#made = this.#output = null;
    if (made !== null) await forget(made);
  }
}

/** Begins to add one, for whoever has a passphrase. */
export async function begin(passphrase: string, label: string): Promise<Making> {
  const { salt } = await post<{ salt: string }>('passkeys/begin', { passphrase });
  return new Making(salt, label.trim());
}
