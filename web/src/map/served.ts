// The map file by way of the server beside us, which gives the pieces of it that are asked for.
import { EtagMismatch, type Source } from 'pmtiles';
import { send } from '../lib/api';

export const served: Source = {
  getKey: () => 'map',
  async getBytes(offset, length, signal, etag) {
    const answer = await send('GET', 'map/tiles/file', undefined, signal, { range: `bytes=${offset}-${offset + length - 1}` });
    const now = answer.headers.get('etag') ?? undefined;
    // Written anew since its directory was read: what was known of it is forgotten, and it is asked again.
    if (etag !== undefined && now !== etag) throw new EtagMismatch();
    return { data: await answer.arrayBuffer(), ...(now === undefined ? {} : { etag: now }) };
  },
};
