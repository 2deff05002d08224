/** Magnet links and the DHT, as a user sees them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { sha1 } from "../../src/bytes/hash.ts";
import { formatMagnet } from "../../src/metainfo/magnet.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { UdpSocket } from "../../src/net/udp.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { type JsonRecord, parseJsonLines } from "../support/json_lines.ts";
import {
  checkPayload,
  makeTorrent,
  writePayload,
} from "../support/make_torrent.ts";
import { offersMetadata } from "../support/offers_metadata.ts";
import { OwnDhtNode } from "../support/own_dht_node.ts";
import { commandLine, runOnTerminal, runProgram } from "../support/program.ts";
import { namesIn, Scene } from "../support/scene.ts";
import { encodeHex } from "@std/encoding/hex";

const MADE = makeTorrent({ name: "film", files: 300_000 });
const { infoHash, infoBytes: metadata } = MADE.metainfo;
const HASH = encodeHex(infoHash);

/** Who has everything, the metadata too. */
function seed(): FakePeer {
  return new FakePeer(MADE, offersMetadata({ metadata }));
}

/** A place for a download by a link instead of the .torrent file. */
class LinkScene extends Scene {
  constructor() {
    super(MADE);
  }

  /** The arguments of a download by a link that names peers. */
  linkArgs(...peers: FakePeer[]): string[] {
    const endpoints = peers.map(({ endpoint }) => endpoint);
    const link = formatMagnet({ infoHash, name: "a film", peers: endpoints });
    return [link, ...this.args().slice(1)];
  }
}

Deno.test("main.ts says in JSON what it finds by a magnet link", async () => {
  using scene = new LinkScene();
  await using peer = seed();
  const { code, stderr } = await runProgram([
    ...scene.linkArgs(peer),
    "--progress=json",
  ]);
  assertEquals(code, 0, stderr);
  checkPayload(MADE, scene.downloads);
  const records = parseJsonLines(stderr);
  const told = records.filter(({ type }) =>
    type === "magnet" || type === "torrent" || type === "phase"
  );
  assertEquals(
    told.map(({ type, phase }) => phase ?? type),
    ["magnet", "finding", "torrent", "checking", "downloading", "complete"],
  );
  assertEquals(told[0], { type: "magnet", infoHash: HASH, name: "a film" });
  assertEquals([told[2]!.name, told[2]!.totalBytes], ["film", 300_000]);
  const first = records.find(({ type }) => type === "progress")!;
  assertEquals(
    [first.phase, first.totalBytes, first.metadataBytes],
    ["finding", 0, 0],
  );
  const last = records.findLast(({ type }) => type === "progress")!;
  assertEquals(
    [last.metadataBytes, last.metadataTotalBytes, last.tried],
    [metadata.length, metadata.length, 1],
  );
  assertEquals(records.at(-2)!.name, "film");
});

Deno.test("main.ts shows what it tries while it looks for metadata", async (t) => {
  using scene = new LinkScene();
  await using peer = new FakePeer(
    MADE,
    offersMetadata({ metadata, answer: () => undefined }),
  );
  const args = [...scene.linkArgs(peer), "--stall-timeout=1"];
  const why = "Gave up after 1 s without metadata: " +
    "none of the connected peers (1) sends it";
  await t.step("in lines", async () => {
    const { code, stderr } = await runProgram([...args, "--progress=line"]);
    assertEquals(code, 5, stderr);
    const [first, ...others] = stderr.trimEnd().split("\n");
    assertMatch(
      first!,
      /^finding {2}a film {2}.*[01] of [01] peers? connected {2}[01] more known$/,
    );
    assertEquals(others.at(-1), `btget: a film: ${why}`);
  });
  await t.step("in one line of a terminal", async () => {
    const { code, text } = await runOnTerminal(commandLine(args), {
      columns: 120,
    });
    assertEquals(code, 5, text);
    const size = `${metadata.length} B`;
    assert(
      text.includes(
        `\rfinding  a film  metadata 0 B/${size} offered by 1 peer  ` +
          "1 of 1 peer connected  0 more known",
      ),
      text,
    );
    assert(text.includes(`btget: a film: ${why}`), text);
  });
  await t.step("in JSON", async () => {
    const { code, stderr } = await runProgram([...args, "--progress=json"]);
    assertEquals(code, 5, stderr);
    const records = parseJsonLines(stderr);
    const { metadataPeers, metadataTotalBytes, peers } = records
      .findLast(({ phase, type }) =>
        phase === "finding" && type === "progress"
      )!;
    assertEquals([metadataPeers, metadataTotalBytes, peers], [
      1,
      metadata.length,
      1,
    ]);
    const result = records.at(-2)!;
    assertEquals([result.name, result.message], ["a film", why]);
  });
});

Deno.test("main.ts takes a link or an info hash from wherever it comes", async (t) => {
  using scene = new LinkScene();
  await using peer = seed();
  const [link, ...args] = scene.linkArgs(peer);
  await t.step("standard input", async () => {
    const stdin = new TextEncoder().encode(`${link}\n`);
    const { code, stderr } = await runProgram(["-", ...args], { stdin });
    assertEquals(code, 0, stderr);
    checkPayload(MADE, scene.downloads);
  });
  await t.step("an info hash, with a peer", async () => {
    const { code, stderr } = await runProgram([
      HASH.toUpperCase(),
      `--peer=${formatEndpoint(peer.endpoint)}`,
      "--metadata-only",
      ...args,
    ]);
    assertEquals(code, 0, stderr);
  });
});

Deno.test("main.ts ends with 27 when a link cannot be used", async (t) => {
  const links: [link: string, why: RegExp][] = [
    ["magnet:?dn=x", /xt/],
    ["magnet:?xt=urn:btih:0123", /xt/],
    ["magnet:?xt=urn:btmh:1114" + "0".repeat(40), /multihash/],
    ["magnet:", /magnet:\?/],
  ];
  for (const [link, why] of links) {
    await t.step(link.slice(0, 30), async () => {
      for (const args of [["--no-dht", link], ["show", link]]) {
        const { code, stderr } = await runProgram(args);
        assertEquals(code, 27, stderr);
        assertMatch(stderr, why);
        assertMatch(stderr, /^btget: .*\n$/);
      }
    });
  }
});

Deno.test("main.ts ends with 26 when a link leads to no torrent", async (t) => {
  const cases: [name: string, metadata: Uint8Array][] = [
    ["no bencoding", new TextEncoder().encode("<html>")],
    ["no pieces", encodeBencode({ name: "x", length: 5 })],
  ];
  for (const [name, metadata] of cases) {
    await t.step(name, async () => {
      using scene = new LinkScene();
      const infoHash = sha1(metadata);
      const made = { ...MADE, metainfo: { ...MADE.metainfo, infoHash } };
      await using peer = new FakePeer(made, offersMetadata({ metadata }));
      const { code, stderr } = await runProgram([
        formatMagnet({ infoHash, peers: [peer.endpoint] }),
        ...scene.args().slice(1),
      ]);
      assertEquals(code, 26, stderr);
    });
  }
});

Deno.test("main.ts ends with 6 when nobody is there for a link", async (t) => {
  await t.step("nobody at all", async () => {
    using scene = new LinkScene();
    const { code, stderr } = await runProgram([
      ...scene.linkArgs(),
      "--stall-timeout=0.2",
    ]);
    assertEquals(code, 6, stderr);
    assertMatch(
      stderr,
      /^btget: a film: Gave up after 0\.2 s without metadata: there is nobody to ask$/m,
    );
  });
  await t.step("but a DHT that does not answer", async () => {
    using scene = new LinkScene();
    const args = scene.linkArgs().filter((arg) => arg !== "--no-dht");
    const { code, stderr } = await runProgram([
      ...args,
      "--stall-timeout=0.2",
      "--dht-bootstrap=127.0.0.1:1",
    ]);
    assertEquals(code, 6, stderr);
    assertMatch(stderr, /without metadata: no node of the DHT answers$/m);
  });
});

Deno.test("main.ts --metadata-only writes the .torrent file and ends", async (t) => {
  using scene = new LinkScene();
  await using peer = seed();
  const args = [...scene.linkArgs(peer), "--metadata-only"];
  const path = `${scene.downloads}/film.torrent`;
  await t.step("where nothing is", async () => {
    const { code, stderr } = await runProgram(args);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /^btget: film: wrote .*\/film\.torrent$/m);
    assertEquals(namesIn(scene.downloads), ["film.torrent"]);
    const { infoBytes } = parseMetainfo(await Deno.readFile(path));
    assertEquals(infoBytes, metadata);
  });
  await t.step("where it is already", async () => {
    const { code, stderr } = await runProgram(args);
    assertEquals(code, 0, stderr);
  });
  await t.step("not over another file", async () => {
    await Deno.writeTextFile(path, "mine");
    const { code, stderr } = await runProgram(args);
    assertEquals(code, 13, stderr);
    assertMatch(stderr, /^btget: film: .*film\.torrent exists/m);
    assertEquals(await Deno.readTextFile(path), "mine");
    const forced = await runProgram([...args, "--allow-overwrite"]);
    assertEquals(forced.code, 0, forced.stderr);
  });
});

Deno.test("main.ts --save-metadata keeps the .torrent file beside the download", async () => {
  using scene = new LinkScene();
  writePayload(MADE, scene.downloads);
  await using peer = seed();
  const { code, stderr } = await runProgram([
    ...scene.linkArgs(peer),
    "--save-metadata",
  ]);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /film: complete, .* verified on disk$/m);
  assertEquals(namesIn(scene.downloads), ["film", "film.torrent"]);
});

Deno.test("main.ts show tells what a link says", async () => {
  const link = formatMagnet({
    infoHash,
    name: "a \x1b[31mfilm",
    announceTiers: [["udp://tracker.example:80"]],
    peers: [{ hostname: "192.0.2.1", port: 6881 }],
  });
  const { code, stdout } = await runProgram(["show", link]);
  assertEquals(code, 0);
  assertEquals(stdout.trimEnd().split("\n"), [
    "Name: a \\x1b[31mfilm",
    `Info hash: ${HASH}`,
    "Tracker tier 1: udp://tracker.example:80",
    "Peer: 192.0.2.1:6881",
  ]);
});

Deno.test("main.ts asks no DHT for what is complete", async () => {
  using scene = new LinkScene();
  writePayload(MADE, scene.downloads);
  await using node = UdpSocket.open({ ports: [0], hostname: "127.0.0.1" });
  let packets = 0;
  node.subscribe(() => ++packets > 0);
  const args = scene.args().filter((arg) => arg !== "--no-dht");
  const { code, stderr } = await runProgram([
    ...args,
    `--dht-bootstrap=127.0.0.1:${node.port}`,
  ]);
  assertEquals([code, packets], [0, 0], stderr);
});

Deno.test("main.ts --dht-file keeps nodes between runs", async (t) => {
  using scene = new LinkScene();
  await using peer = seed();
  const path = scene.folder.join("nodes");
  /** Downloads by a DHT of two nodes, in which nobody is who has left. */
  const find = async (
    runs: (bootstrap: string) => string[][],
  ): Promise<JsonRecord[]> => {
    await using node = new OwnDhtNode([]);
    await using announcer = new OwnDhtNode([node.endpoint]);
    await announcer.announce(infoHash, peer.endpoint.port);
    let records: JsonRecord[] = [];
    const bootstrap = `--dht-bootstrap=${formatEndpoint(node.endpoint)}`;
    for (const args of runs(bootstrap)) {
      const { code, stderr } = await runProgram([
        HASH,
        ...scene.args().slice(1).filter((arg) => arg !== "--no-dht"),
        "--metadata-only",
        "--progress=json",
        ...args,
      ]);
      assertEquals(code, 0, stderr);
      records = parseJsonLines(stderr);
      assert(records.findLast(({ type }) => type === "progress")!.dhtNodes);
    }
    return records;
  };
  await t.step("it is written, and read", async () => {
    await find((bootstrap) => [
      [`--dht-file=${path}`, bootstrap],
      [`--dht-file=${path}`, "--dht-bootstrap=127.0.0.1:1"],
    ]);
    assertEquals(namesIn(scene.folder.path).includes("nodes.new"), false);
  });
  for (const broken of ["", "no bencoding", "d5:nodesi1ee"]) {
    await t.step(`${JSON.stringify(broken)} in it is ignored`, async () => {
      await Deno.writeTextFile(path, broken);
      await find((bootstrap) => [[`--dht-file=${path}`, bootstrap]]);
      assert((await Deno.stat(path)).size > broken.length);
    });
  }
  await t.step("it is said when it cannot be written", async () => {
    const there = scene.folder.join("no", "such", "folder");
    const records = await find((bootstrap) => [
      [`--dht-file=${there}`, bootstrap],
    ]);
    const [notice] = records.filter(({ type }) => type === "notice");
    assertMatch(String(notice!.message), /^Cannot keep the nodes of the DHT: /);
  });
});
