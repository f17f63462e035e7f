import { afterEach, describe, expect, it, vi } from 'vitest';

const channel = class { postMessage(): void {} };
vi.stubGlobal('sessionStorage', { getItem: () => null });
vi.stubGlobal('BroadcastChannel', channel);
vi.stubGlobal('addEventListener', () => {});
const { bytesOf, isUsable, textOf } = await import('./passkey');

describe('passkeys', () => {
  afterEach(() => { Reflect.deleteProperty(globalThis, 'PublicKeyCredential'); });

  it('write bytes as the server does', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    expect(bytesOf(textOf(bytes))).toEqual(bytes);
    expect(textOf(Uint8Array.of(0xfb, 0xff, 0xfe))).toBe('-__-');
    expect(textOf(Uint8Array.of(7))).toBe('Bw');
    expect(bytesOf('Bw')).toEqual(Uint8Array.of(7));
  });

  it('are offered where a browser does not say that it has no PRF', async () => {
    expect(await isUsable()).toBe(false);
    const says = (said: Record<string, boolean>): void => { vi.stubGlobal('PublicKeyCredential', { getClientCapabilities: () => Promise.resolve(said) }); };
    says({ 'extension:prf': false });
    expect(await isUsable()).toBe(false);
    says({ 'extension:prf': true });
    expect(await isUsable()).toBe(true);
    says({});
    expect(await isUsable()).toBe(true);
    vi.stubGlobal('PublicKeyCredential', {});
    expect(await isUsable()).toBe(true);
  });
});
