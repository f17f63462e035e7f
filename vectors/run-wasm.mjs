// Feeds every vector to the wasm build of the runner: node run-wasm.mjs MODULE.wasm
import { readFile, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [modulePath] = process.argv.slice(2);

async function listed(folder, extension) {
  const names = await readdir(join(here, folder));
  return names.filter((name) => name.endsWith(extension)).sort().map((name) => join(here, folder, name));
}

// No imports: the format needs neither randomness nor a clock to be read.
const { instance } = await WebAssembly.instantiate(await readFile(modulePath), {});
const { memory, reserve, add_file: addFile, run } = instance.exports;

function hand(bytes) {
  const place = reserve(bytes.length);
  new Uint8Array(memory.buffer, place, bytes.length).set(bytes);
  return [place, bytes.length];
}

const utf8 = new TextEncoder();
for (const path of await listed("data", ".bin")) {
  addFile(...hand(utf8.encode(basename(path))), ...hand(await readFile(path)));
}

let count = 0;
const complaints = [];
const start = performance.now();
for (const path of await listed("json", ".json")) {
  for (const vector of JSON.parse(await readFile(path, "utf8")).vectors) {
    const answer = run(...hand(utf8.encode(JSON.stringify(vector))));
    const place = Number(answer & 0xffffffffn);
    const length = Number(answer >> 32n);
    if (length > 0) {
      complaints.push(new TextDecoder().decode(new Uint8Array(memory.buffer, place, length)));
    }
    count += 1;
  }
}
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(`${count - complaints.length} of ${count} vectors hold as wasm (${seconds} s)`);
for (const complaint of complaints) {
  console.error(complaint);
}
process.exitCode = complaints.length === 0 && count >= 300 ? 0 : 1;
