/**
 * Shows the main job on one machine: a tracker and three seeders on loopback,
 * and the program itself, which downloads from them with its progress on the
 * screen. In the end the files are compared.
 *
 *     deno task demo
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { join } from "@std/path";
import { delay } from "@std/async/delay";
import { HttpTracker } from "../src/tracker/http_tracker.ts";
import { TrackerServer } from "../src/tracker/tracker_server.ts";
import { FakePeer } from "./support/fake_peer.ts";
import { makeTorrent } from "./support/make_torrent.ts";
import { TempFolder } from "./support/temp_folder.ts";

const MIB = 1024 * 1024;

/** Slow enough that there is something to see. */
const SEEDER_BYTES_PER_SECOND = 8 * MIB;

const SEEDERS = 3;

async function demo(): Promise<number> {
  using folder = new TempFolder();
  await using tracker = new TrackerServer();
  await using seeders = new AsyncDisposableStack();

  const made = makeTorrent({
    name: "demo",
    pieceLength: 256 * 1024,
    files: {
      "film.mkv": 60 * MIB,
      "subtitles/english.srt": 70_000,
      "readme.txt": 1_234,
    },
    trackers: [tracker.announceUrl],
  });
  const torrentPath = folder.join("demo.torrent");
  await Deno.writeFile(torrentPath, made.bytes);
  say(`A tracker listens at ${tracker.announceUrl}`);

  for (let i = 0; i < SEEDERS; i++) {
    const seeder = seeders.use(
      new FakePeer(made, {
        serve: async (block, right) => {
          await delay(1000 * block.length / SEEDER_BYTES_PER_SECOND);
          return right;
        },
      }),
    );
    const announce = HttpTracker.at(tracker.announceUrl)!.announce({
      infoHash: made.metainfo.infoHash,
      peerId: crypto.getRandomValues(new Uint8Array(20)),
      port: seeder.endpoint.port,
      uploaded: 0,
      downloaded: 0,
      left: 0,
      event: "started",
      numWant: 0,
      key: "demo",
    }, { signal: AbortSignal.timeout(5_000) });
    await Array.fromAsync(announce);
    say(
      `A seeder listens at ${seeder.endpoint.hostname}:${seeder.endpoint.port}`,
    );
  }

  const target = folder.join("downloads");
  say(`$ btget demo.torrent --dir downloads`);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-net",
      `--allow-read=${torrentPath},${target}`,
      `--allow-write=${target}`,
      join(import.meta.dirname!, "../main.ts"),
      torrentPath,
      "--dir",
      target,
    ],
    stdin: "null",
  }).spawn().status;
  say(`exit status ${code}`);
  if (code !== 0) return code;

  for (const [path, bytes] of made.files) {
    const [wanted, found] = await Promise.all([
      sha256(bytes),
      sha256(await Deno.readFile(join(target, path))),
    ]);
    const verdict = found === wanted ? "equal" : "DIFFERENT";
    say(`${verdict}  ${found.slice(0, 16)}…  ${path}`);
    if (found !== wanted) return 1;
  }
  return 0;
}

async function sha256(bytes: Uint8Array): Promise<string> {
  return encodeHex(await crypto.subtle.digest("SHA-256", bytes.slice()));
}

function say(text: string): void {
  // deno-lint-ignore no-console
  console.error(text);
}

Deno.exit(await demo());
