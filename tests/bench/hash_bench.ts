/**
 * What hashing costs: `deno bench -A --no-check tests/bench/hash_bench.ts`.
 *
 * Every row hashes 64 MiB.
 *
 * @module
 */

import { Sha1, sha1 } from "../../src/bytes/hash.ts";

const KIB = 1024;
const TOTAL = 64 * KIB * KIB;
const SIZES = { "16 KiB": 16, "256 KiB": 256, "1 MiB": 1024, "4 MiB": 4096 };

for (const [name, kib] of Object.entries(SIZES)) {
  const piece = new Uint8Array(kib * KIB).fill(7);
  const count = TOTAL / piece.length;

  Deno.bench(`sha1(), pieces of ${name}`, { group: "whole" }, () => {
    for (let i = 0; i < count; i++) sha1(piece);
  });

  Deno.bench(
    `crypto.subtle, pieces of ${name}`,
    { group: "whole" },
    async () => {
      for (let i = 0; i < count; i++) {
        await crypto.subtle.digest("SHA-1", piece);
      }
    },
  );
}

for (const kib of [16, 64, 128, 256]) {
  const step = new Uint8Array(kib * KIB).fill(7);
  const count = TOTAL / step.length;
  Deno.bench(`Sha1.update(), ${kib} KiB at a time`, { group: "steps" }, () => {
    const hash = new Sha1();
    for (let i = 0; i < count; i++) hash.update(step);
    hash.digest();
  });
}
