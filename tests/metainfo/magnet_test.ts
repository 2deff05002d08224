import { assert, assertEquals, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import { formatEndpoint, parseEndpoint } from "../../src/bytes/endpoint.ts";
import { BencodeError, MagnetError, MetainfoError } from "../../src/errors.ts";
import {
  formatMagnet,
  isMagnet,
  type Magnet,
  metainfoOf,
  parseMagnet,
} from "../../src/metainfo/magnet.ts";
import vectors from "../../testdata/magnet_vectors.json" with { type: "json" };
import { makeTorrent } from "../support/make_torrent.ts";

const HASH = "a1".repeat(20);
const LINK = `magnet:?xt=urn:btih:${HASH}`;

type Row = (typeof vectors.links)[number];
type Says = NonNullable<Row["says"]>;

function hasSays(row: Row): row is Row & { says: Says } {
  return row.says !== undefined;
}

/** The form of the rows: what is not there is not written down. */
function saidBy(magnet: Magnet): Record<string, unknown> {
  const { infoHash, infoHashV2, name, fileSelection } = magnet;
  const list = (texts: string[]) => texts.length > 0 ? texts : undefined;
  return {
    v1: magnet.hasV1 ? encodeHex(infoHash) : undefined,
    v2: infoHashV2 && encodeHex(infoHashV2),
    name,
    trackers: list(magnet.announceTiers.flat()),
    webSeeds: list([...magnet.webSeeds]),
    peers: list(magnet.peers.map(formatEndpoint)),
    nodes: list(magnet.nodes.map(formatEndpoint)),
    files: fileSelection?.map(({ first, last }) =>
      first === last ? `${first}` : `${first}-${last}`
    ).join(","),
    length: magnet.exactLength,
  };
}

function withoutUndefined(record: Record<string, unknown>) {
  return Object.fromEntries(
    Object.entries(record).filter(([, value]) => value !== undefined),
  );
}

Deno.test("parseMagnet() reads what links say", async (t) => {
  for (const { source, link, says } of vectors.links.filter(hasSays)) {
    await t.step(`${source}: ${link.trim().slice(0, 100)}`, () => {
      assertEquals(
        withoutUndefined(saidBy(parseMagnet(link))),
        withoutUndefined(says),
      );
    });
  }
});

Deno.test("parseMagnet() refuses links with a sentence", async (t) => {
  for (const { source, link, refused } of vectors.links) {
    if (refused === undefined) continue;
    await t.step(`${source}: ${link.slice(0, 100)}`, () => {
      const error = assertThrows(() => parseMagnet(link), MagnetError);
      assertEquals(error.message, `Cannot use magnet link: ${refused}`);
      assert(error instanceof MetainfoError);
    });
  }
});

Deno.test("parseMagnet() gives each tracker a tier of its own", () => {
  const { announceTiers } = parseMagnet(`${LINK}&tr=http://a&tr=http://b`);
  assertEquals(announceTiers, [["http://a"], ["http://b"]]);
});

Deno.test("parseMagnet() cuts a long name, and leaves no blank at its end", () => {
  const name = "x".repeat(254);
  assertEquals(parseMagnet(`${LINK}&dn=${name}%20%20y`).name, name);
});

Deno.test("parseMagnet() takes a bounded number of everything", () => {
  const many = (key: string, value: (i: number) => string) =>
    Array.from({ length: 2000 }, (_, i) => `&${key}=${value(i)}`).join("");
  const magnet = parseMagnet([
    LINK,
    many("tr", (i) => `http://${i}`),
    many("ws", (i) => `http://${i}`),
    many("x.pe", (i) => `1.2.3.4:${i + 1}`),
    many("dht", (i) => `1.2.3.4:${i + 1}`),
    many("so", (i) => `${i}-299999`),
  ].join(""));
  assertEquals(magnet.announceTiers.length, 100);
  assertEquals(magnet.webSeeds.length, 100);
  assertEquals(magnet.peers.length, 100);
  assertEquals(magnet.nodes.length, 100);
  assertEquals(magnet.fileSelection, [{ first: 0, last: 299_999 }]);
});

Deno.test("parseMagnet() refuses a link of a megabyte", async (t) => {
  const lengths: [what: string, link: string][] = [
    ["a name", `${LINK}&dn=${"x".repeat(1 << 20)}`],
    ["parameters", LINK + "&a=b".repeat(1 << 18)],
    ["white space", " ".repeat(1 << 20) + LINK],
    ["digits", "a".repeat(1 << 20)],
  ];
  for (const [what, link] of lengths) {
    await t.step(what, () => {
      assertThrows(() => parseMagnet(link), MagnetError, "is longer than");
    });
  }
});

Deno.test("isMagnet() knows links and bare info hashes", () => {
  for (const text of [LINK, "MAGNET:?", "magnet:", ` ${HASH}\n`]) {
    assert(isMagnet(text), text);
  }
  for (
    const text of ["", "-", "a.torrent", "http://a/magnet:?", `./${HASH}`]
  ) assert(!isMagnet(text), text);
});

Deno.test("formatMagnet() writes what parseMagnet() reads", async (t) => {
  for (const { link } of vectors.links.filter(hasSays)) {
    await t.step(link.trim().slice(0, 100), () => {
      const magnet = parseMagnet(link);
      const formatted = formatMagnet(magnet);
      assertEquals(parseMagnet(formatted), magnet);
      assert(/^[\x21-\x7e]*$/.test(formatted), formatted);
    });
  }
});

Deno.test("formatMagnet() writes as others do", () => {
  const infoHash = decodeHex(HASH);
  assertEquals(formatMagnet({ infoHash }), LINK);
  assertEquals(
    formatMagnet({ infoHash, infoHashV2: new Uint8Array(32).fill(0x62) }),
    `${LINK}&xt=urn:btmh:1220${"62".repeat(32)}`,
  );
  assertEquals(
    formatMagnet({
      infoHash,
      name: "my+name & co",
      announceTiers: [["http://a/announce?x=1&y=2"], ["udp://b:80", "udp://c"]],
      webSeeds: ["http://foo.com/bar"],
      peers: ["123.213.32.10:47450", "[2001:db8::2]:55013"]
        .map((text) => parseEndpoint(text)!),
      fileSelection: [
        { first: 0, last: 0 },
        { first: 2, last: 2 },
        { first: 4, last: 4 },
        { first: 6, last: 8 },
      ],
    }),
    `${LINK}&dn=my%2Bname%20%26%20co` +
      "&tr=http%3A%2F%2Fa%2Fannounce%3Fx%3D1%26y%3D2" +
      "&tr=udp%3A%2F%2Fb%3A80&tr=udp%3A%2F%2Fc" +
      "&ws=http%3A%2F%2Ffoo.com%2Fbar" +
      "&x.pe=123.213.32.10:47450&x.pe=[2001:db8::2]:55013&so=0,2,4,6-8",
  );
});

Deno.test("formatMagnet() writes a link to a .torrent file's torrent", () => {
  const { metainfo } = makeTorrent({
    name: "some name",
    files: 1000,
    trackers: ["http://a", "http://b"],
  });
  const magnet = parseMagnet(formatMagnet(metainfo));
  assertEquals(magnet.infoHash, metainfo.infoHash);
  assertEquals(magnet.name, "some name");
  assertEquals(magnet.announceTiers, metainfo.announceTiers);
});

Deno.test("metainfoOf() is what a .torrent file would say", () => {
  const { metainfo } = makeTorrent({
    files: { a: 40_000, b: 2 },
    trackers: ["http://a", "http://b"],
    extra: { "url-list": "http://seed/" },
  });
  const magnet = parseMagnet(formatMagnet(metainfo));
  assertEquals(metainfoOf(magnet, metainfo.infoBytes), metainfo);
});

Deno.test("metainfoOf() knows that a torrent is private once it can", () => {
  const { metainfo } = makeTorrent({ files: 9, info: { private: 1 } });
  const magnet = parseMagnet(formatMagnet(metainfo));
  assert(metainfoOf(magnet, metainfo.infoBytes).isPrivate);
});

Deno.test("metainfoOf() takes a hybrid torrent behind a v1 link, and behind a hybrid one", () => {
  const { metainfo } = makeTorrent({
    files: 9,
    info: {
      "meta version": 2,
      "file tree": {
        payload: {
          "": { length: 9, "pieces root": new Uint8Array(32).fill(1) },
        },
      },
    },
  });
  const { infoHash, infoHashV2, infoBytes } = metainfo;
  for (const link of [{ infoHash }, { infoHash, infoHashV2 }]) {
    const read = metainfoOf(parseMagnet(formatMagnet(link)), infoBytes);
    assertEquals(read.infoHash, infoHash);
    assertEquals(read.infoHashV2, infoHashV2);
  }
  const wrong = formatMagnet({ infoHash, infoHashV2: new Uint8Array(32) });
  assertThrows(
    () => metainfoOf(parseMagnet(wrong), infoBytes),
    MetainfoError,
    "is not the one that the link names",
  );
});

Deno.test("metainfoOf() refuses what the link does not name, or nobody can use", () => {
  const magnet = parseMagnet(LINK);
  const { metainfo } = makeTorrent({ files: 9 });
  assertThrows(
    () => metainfoOf(magnet, metainfo.infoBytes),
    MetainfoError,
    "is not the one that the link names",
  );
  assertThrows(
    () => metainfoOf(magnet, encodeBencode({ name: "x" })),
    MetainfoError,
    "info.piece length",
  );
  assertThrows(() => metainfoOf(magnet, Uint8Array.of(0x64)), BencodeError);
});
