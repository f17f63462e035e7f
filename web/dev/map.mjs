// A map file on this machine: which it is, and the pieces of it that are asked for.
import { existsSync, openSync, readFileSync, readSync, closeSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

let path = null;

function told() {
  if (path === null) return { tiles: null };
  if (!existsSync(path)) return { tiles: { path, bytes: 0, kind: 'vector', min_zoom: 0, max_zoom: 0, bounds: [-180, -85, 180, 85], attribution: null, missing: true } };
  const file = readFileSync(path);
  const [from, length] = [Number(file.readBigUInt64LE(24)), Number(file.readBigUInt64LE(32))];
  const { attribution = null } = JSON.parse(gunzipSync(file.subarray(from, from + length)).toString());
  return { tiles: { path, bytes: file.length, kind: file[99] === 1 ? 'vector' : 'raster', min_zoom: file[100], max_zoom: file[101], bounds: [102, 106, 110, 114].map((at) => file.readInt32LE(at) / 1e7), attribution, missing: false } };
}

export const map = ({ call, method, body, fail }) => {
  if (call !== 'map/tiles') return undefined;
  if (method === 'DELETE') path = null;
  if (method === 'PUT') {
    if (!existsSync(body.path)) return fail(422, 'bad-file', `${body.path}: there is no such file`, { hint: 'look whether the path is right', why: { code: 'map-file-gone', values: { path: body.path } } });
    if (readFileSync(body.path).subarray(0, 8).toString('latin1') !== 'PMTiles\x03') return fail(422, 'bad-file', `${body.path} is no PMTiles file`, { hint: 'choose a file that ends in .pmtiles', why: { code: 'map-no-pmtiles', values: { path: body.path } } });
    path = body.path;
  }
  return told();
};

/** Answers the bytes from one place of the file to another. */
export function mapPiece(request, response, headers, fail) {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')?.map(Number) ?? [];
  if (path === null || !existsSync(path)) return fail(404, 'not-found', 'there is no map file');
  const { size, mtimeMs } = statSync(path);
  if (from === undefined || from >= size) return fail(416, 'no-range', 'a range of bytes is asked for');
  const piece = Buffer.alloc(Math.min(to, size - 1) - from + 1);
  const file = openSync(path, 'r');
  readSync(file, piece, 0, piece.length, from);
  closeSync(file);
  response.writeHead(206, { ...headers, 'content-type': 'application/octet-stream', etag: `"${size}-${mtimeMs}"`, 'content-range': `bytes ${from}-${from + piece.length - 1}/${size}` });
  response.end(piece);
}
