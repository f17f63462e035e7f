import { describe, expect, it } from 'vitest';
import { capOf, hoursOf, limitOf, provider } from './remotes';

describe('a limit as it is written', () => {
  it('is taken apart with and without hours', () => {
    expect(limitOf('2MB/s')).toEqual({ rate: '2', unit: 'MB', from: '', until: '' });
    expect(limitOf('500kB/s@08:00-18:00')).toEqual({ rate: '500', unit: 'kB', from: '08:00', until: '18:00' });
  });
  it('is nothing where it is none, or written in a way that is not known', () => {
    for (const text of [null, '', 'none', '2 MB', '2MB/s@8-18']) expect(limitOf(text)).toBeNull();
  });
});

describe('quiet hours as they are written', () => {
  it('are taken apart', () => { expect(hoursOf('22:00-07:00')).toEqual({ from: '22:00', until: '07:00' }); });
  it('are nothing where there are none', () => { for (const text of [null, 'none', '22-7']) expect(hoursOf(text)).toBeNull(); });
});

describe('a daily cap as it is written', () => {
  it('is taken apart', () => { expect(capOf('20GB')).toEqual({ amount: '20', unit: 'GB' }); });
  it('is nothing where there is none', () => { for (const text of [null, undefined, 'none', '20', '2MB/s']) expect(capOf(text)).toBeNull(); });
});

describe('who sees what rests in a place', () => {
  it('is the service, its endpoint or its host', () => {
    expect(provider('s3://bucket/photos')).toBe('Amazon S3');
    expect(provider('s3://bucket/photos?endpoint=https://s3.example.org')).toBe('s3.example.org');
    expect(provider('webdavs://me@cloud.example/photos')).toBe('cloud.example');
    expect(provider('folder:/mnt/nas')).toBe('folder:/mnt/nas');
  });
});
