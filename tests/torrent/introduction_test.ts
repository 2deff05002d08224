import { assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { ourAnswer, ourHandshake } from "../../src/torrent/introduction.ts";
import type { TransferServices } from "../../src/torrent/options.ts";
import { ourReserved, supportsV2 } from "../../src/wire/handshake.ts";

const V1 = new Uint8Array(20).fill(0x11);
const V2 = new Uint8Array(20).fill(0x22);

const SERVICES = { peerId: new Uint8Array(20) } as TransferServices;

Deno.test("ourHandshake() names a torrent by v1 if it can, and tells of v2", async (t) => {
  const table: [what: string, v1: boolean, v2: boolean, said: string][] = [
    ["v1", true, false, "11"],
    ["v2", false, true, "22"],
    ["hybrid", true, true, "11 upgrade"],
  ];
  for (const [what, hasV1, hasV2, said] of table) {
    await t.step(what, () => {
      const hashes = {
        v1: hasV1 ? V1 : undefined,
        v2: hasV2 ? V2 : undefined,
      };
      const { infoHash, reserved } = ourHandshake(hashes, SERVICES);
      const upgrade = supportsV2(reserved) ? " upgrade" : "";
      assertEquals(encodeHex(infoHash).slice(0, 2) + upgrade, said);
    });
  }
});

Deno.test("ourAnswer() upgrades who can be upgraded", async (t) => {
  const both = { v1: V1, v2: V2 };
  const table: [
    what: string,
    hashes: { v1: Uint8Array | undefined; v2: Uint8Array | undefined },
    said: Uint8Array,
    knowsV2: boolean,
    answer: Uint8Array,
  ][] = [
    ["v1 of a hybrid torrent", both, V1, false, V1],
    ["v1 of a hybrid torrent, with the bit", both, V1, true, V2],
    ["v2 of a hybrid torrent", both, V2, false, V2],
    [
      "v1, with a bit that means nothing",
      { v1: V1, v2: undefined },
      V1,
      true,
      V1,
    ],
    ["v2 alone", { v1: undefined, v2: V2 }, V2, true, V2],
  ];
  for (const [what, hashes, infoHash, knowsV2, answer] of table) {
    await t.step(what, () => {
      const theirs = {
        infoHash,
        peerId: new Uint8Array(20).fill(9),
        reserved: ourReserved({ supportsV2: knowsV2 }),
      };
      const ours = ourHandshake(hashes, SERVICES);
      assertEquals(ourAnswer(theirs, { ours, hashes }), {
        ...ours,
        infoHash: answer,
      });
    });
  }
});
