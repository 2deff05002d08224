import { assert, assertEquals } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { decodeHex } from "@std/encoding/hex";
import { fromLatin1 } from "../../src/bytes/bencode.ts";
import { formatEndpoint, parseEndpoint } from "../../src/bytes/endpoint.ts";
import { MagnetError, ProtocolError } from "../../src/errors.ts";
import { decodeAnnouncement } from "../../src/lsd/announcement.ts";
import {
  formatMagnet,
  isMagnet,
  parseMagnet,
} from "../../src/metainfo/magnet.ts";
import { PeerExchange } from "../../src/policy/pex.ts";
import {
  decodeMetadataMessage,
  encodeMetadataMessage,
} from "../../src/wire/ut_metadata.ts";
import { decodePexMessage, encodePexMessage } from "../../src/wire/ut_pex.ts";
import links from "../../testdata/magnet_vectors.json" with { type: "json" };
import metadata from "../../testdata/ut_metadata_vectors.json" with {
  type: "json",
};
import pex from "../../testdata/ut_pex_vectors.json" with { type: "json" };
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const RUNS = 100_000;

type Random = () => number;

function below(limit: number, random: Random): number {
  return Math.floor(random() * limit);
}

function oneOf<T>(from: readonly T[], random: Random): T {
  return from[below(from.length, random)]!;
}

/** A sample with a few bytes replaced, left out, doubled, or cut off. */
function mutated(sample: Uint8Array, random: Random): Uint8Array {
  let bytes = sample.slice();
  for (let i = 1 + below(4, random); i > 0; i--) {
    const at = below(bytes.length + 1, random);
    const length = below(8, random);
    const parts = [
      [bytes.slice(0, at), randomBytes(1, random), bytes.slice(at + 1)],
      [bytes.slice(0, at), bytes.slice(at + length)],
      [bytes.slice(0, at + length), bytes.slice(at)],
      [bytes.slice(0, at)],
      [bytes.slice(0, at), randomBytes(length, random), bytes.slice(at)],
    ];
    bytes = concat(oneOf(parts, random));
  }
  return bytes;
}

/** What something is drawn from. */
interface Stock {
  samples: Uint8Array[];
  parts: Uint8Array[];
  /** Keys of a dictionary, and values that some of them could have. */
  entries?: { keys: Uint8Array[]; values: Uint8Array[] };
}

/** Noise, parts at random, a dictionary, or a sample with mistakes. */
function drawBytes(random: Random, { samples, parts, entries }: Stock) {
  const roll = random();
  const some = (limit: number, draw: () => Uint8Array[]) =>
    Array.from({ length: below(limit, random) }, draw).flat();
  if (roll < 0.1) return randomBytes(below(60, random), random);
  if (roll < 0.3) return concat(some(16, () => [oneOf(parts, random)]));
  if (roll < 0.6 && entries) {
    const { keys, values } = entries;
    const pairs = some(7, () => [oneOf(keys, random), oneOf(values, random)]);
    const noise = randomBytes(below(9, random), random);
    return concat([fromLatin1("d"), ...pairs, fromLatin1("e"), noise]);
  }
  return mutated(oneOf(samples, random), random);
}

/** Runs with a seed of its own each; counts those that were refused. */
function refusals(
  kind: typeof ProtocolError | typeof MagnetError,
  run: (random: Random) => void,
): number {
  let count = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    try {
      run(seededRandom(seed));
    } catch (error) {
      if (!(error instanceof kind)) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      count++;
    }
  }
  return count;
}

const METADATA: Stock = {
  samples: [...metadata.messages, ...metadata.refused]
    .map(({ payload }) => fromLatin1(payload)),
  parts: "d e l i 0: 8:msg_type 5:piece i0e d8:msg_typei1e5:piecei0ee"
    .split(" ").map(fromLatin1),
  entries: {
    keys: "8:msg_type 8:msg_type 5:piece 5:piece 10:total_size 1:x".split(" ")
      .map(fromLatin1),
    values:
      "i0e i1e i2e i3e i-1e i2047e i2048e i16384e i99999999999999999999e 1:0 le de"
        .split(" ").map(fromLatin1),
  },
};

/**
 * Whatever bytes a `ut_metadata` message consists of, it is read as a message
 * that says the same when it is written, or ignored, or refused with
 * `ProtocolError`.
 */
Deno.test("decodeMetadataMessage() reads, ignores or refuses any bytes", () => {
  let read = 0;
  const refused = refusals(ProtocolError, (random) => {
    const message = decodeMetadataMessage(drawBytes(random, METADATA));
    if (!message) return;
    assert(message.piece >= 0 && message.piece < 2048);
    assertEquals(
      decodeMetadataMessage(encodeMetadataMessage(message)),
      message,
    );
    read++;
  });
  assert(refused > RUNS / 4 && read > RUNS / 25, `${refused}, ${read}`);
});

const PEX: Stock = {
  samples: [...pex.messages, ...pex.refused].map(({ hex }) => decodeHex(hex)),
  parts: "d e l i 0: i1e 5:added 7:dropped 6:added6".split(" ")
    .map(fromLatin1),
  entries: {
    keys: "5:added 7:added.f 6:added6 8:added6.f 7:dropped 8:dropped6 1:x"
      .split(" ").map(fromLatin1),
    values: [
      "0:",
      "i1e",
      "le",
      "1:\x02",
      "2:\x01\xff",
      "7:too odd",
      "6:\x7f\x00\x00\x01\x00\x01",
      "6:\x05\x06\x07\x08\x00\x01",
      "6:\x05\x06\x07\x08\x00\x00",
      "12:" + "\x05\x06\x07\x08\x1a\xe1".repeat(2),
      "18:\x20\x01\x04p" + "\x01".repeat(14),
      "606:" + "\x09\x0a\x0b\x0c\x1a\xe1".repeat(101),
    ].map(fromLatin1),
  },
};

/**
 * Whatever bytes a `ut_pex` message consists of, it is refused with
 * `ProtocolError`, or names at most fifty and fifty that can be dialled, the
 * same when it is written again. A peer exchange believes no more than that of
 * it, and nothing twice.
 */
Deno.test("decodePexMessage() reads or refuses any bytes", () => {
  const teller = { name: "teller" };
  let read = 0;
  const refused = refusals(ProtocolError, (random) => {
    const payload = drawBytes(random, PEX);
    const message = decodePexMessage(payload);
    assert(message.added.length <= 50 && message.dropped.length <= 50);
    for (const { flags } of message.added) assert(flags >= 0 && flags < 256);
    for (
      const endpoint of [
        ...message.added.map(({ endpoint }) => endpoint),
        ...message.dropped,
      ]
    ) {
      assertEquals(parseEndpoint(formatEndpoint(endpoint)), endpoint);
    }
    const again = decodePexMessage(encodePexMessage(message));
    const byText = (texts: string[]) => texts.toSorted();
    assertEquals(
      byText(again.added.map(({ endpoint }) => formatEndpoint(endpoint))),
      byText(message.added.map(({ endpoint }) => formatEndpoint(endpoint))),
    );
    const exchange = new PeerExchange<object>({
      describe: () => ({
        endpoint: { hostname: "1.2.3.4", port: 5 },
        contact: undefined,
        takesPex: true,
      }),
    });
    const believed = exchange.receive(teller, payload, 0);
    assert(believed.every((contact) => {
      const { endpoint } = contact;
      return message.added.some((one) =>
        formatEndpoint(one.endpoint) === formatEndpoint(endpoint)
      );
    }));
    const texts = believed.map(({ endpoint }) => formatEndpoint(endpoint));
    assertEquals(new Set(texts).size, texts.length);
    read += Number(message.added.length > 0);
  });
  assert(refused > RUNS / 4 && read > RUNS / 20, `${refused}, ${read}`);
});

const LINKS: Stock = {
  samples: links.links.map(({ link }) => new TextEncoder().encode(link)),
  parts:
    "magnet:? & = % %3A + xt= xt.1= urn:btih: urn:btmh:1220 dn= tr= so= x.pe= ws= dht= xl= 0 - , 1.2.3.4:5 [::1]:6 ☃ \u0000 a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1 xt=urn:btih:MFRGCYTBMJQWEYLCMFRGCYTBMJQWEYLC"
      .split(" ").map((part) => new TextEncoder().encode(part)),
};

/**
 * Whatever text is taken for a magnet link, it is refused with `MagnetError`,
 * or read as a link that says the same when it is written again.
 */
Deno.test("parseMagnet() reads or refuses any text", () => {
  let read = 0;
  const refused = refusals(MagnetError, (random) => {
    const bytes = drawBytes(random, LINKS);
    // Half of them not as UTF-8: so there are characters of any kind.
    const text = random() < 0.5
      ? new TextDecoder().decode(bytes)
      : String.fromCharCode(
        ...bytes,
        ...random() < 0.1 ? [0xd800] : [],
      );
    const magnet = parseMagnet(text);
    assert(isMagnet(text));
    assertEquals(magnet.infoHash.length, 20);
    assertEquals(parseMagnet(formatMagnet(magnet)), magnet);
    read++;
  });
  assert(refused > RUNS / 4 && read > RUNS / 20, `${refused}, ${read}`);
});

const HASH = "a1".repeat(20);

const ANNOUNCEMENTS: Stock = {
  samples: [
    `BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: ${HASH}\r\ncookie: c\r\n\r\n\r\n`,
    `BT-SEARCH * HTTP/1.1\r\nPort: 6881\r\nInfohash: ${HASH}\r\nInfohash: ${HASH}\r\n\r\n`,
  ].map(fromLatin1),
  parts: [
    "BT-SEARCH * HTTP/1.1\r\n",
    "Port: 5\r\n",
    `Infohash: ${HASH}\r\n`,
    "cookie: x\r\n",
    "\r\n",
    ":",
    "Port:",
    "x".repeat(300),
  ].map(fromLatin1),
};

/** Whatever a packet consists of, it is read within bounds, or ignored. */
Deno.test("decodeAnnouncement() reads or ignores any packet", () => {
  let read = 0;
  const refused = refusals(ProtocolError, (random) => {
    const announcement = decodeAnnouncement(drawBytes(random, ANNOUNCEMENTS));
    if (!announcement) return;
    const { port, infoHashes } = announcement;
    assert(port >= 1 && port <= 65_535);
    assert(infoHashes.length >= 1 && infoHashes.length <= 40);
    assert(infoHashes.every(({ length }) => length === 20));
    read++;
  });
  assertEquals(refused, 0);
  assert(read > RUNS / 20, `${read}`);
});
