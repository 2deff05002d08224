/**
 * Shows the main job on one machine: a tracker on loopback, three seeds and a
 * download, all of them the program itself, with its progress on the screen.
 * In the end the files are compared.
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
import { makeTorrent, writePayload } from "./support/make_torrent.ts";
import { TempFolder } from "./support/temp_folder.ts";

const MIB = 1024 * 1024;

/** Slow enough that there is something to see. */
const SEED_LIMIT = "8M";

const SEEDS = 3;

/** Asking whether the seeds have come to the tracker. */
const POLL_INTERVAL_MS = 50;

async function demo(): Promise<number> {
  using folder = new TempFolder();
  await using tracker = new TrackerServer();

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
  const torrent = folder.join("demo.torrent");
  await Deno.writeFile(torrent, made.bytes);
  const source = folder.join("source");
  writePayload(made, source);
  say(`A tracker listens at ${tracker.announceUrl}`);

  const seeds: Deno.ChildProcess[] = [];
  try {
    for (let i = 0; i < SEEDS; i++) {
      say(
        `$ btget seed demo.torrent --dir source --max-upload-limit ${SEED_LIMIT} &`,
      );
      seeds.push(btget({
        args: [
          ...["seed", torrent, "--dir", source, "--listen-port", "0"],
          ...["--max-upload-limit", SEED_LIMIT, "--quiet"],
          ...["--no-dht", "--no-lsd"],
        ],
        allow: [`--allow-read=${torrent},${source}`],
      }));
    }
    await seedsAnnounced(tracker, made.metainfo.infoHash);
    say("$ btget demo.torrent --dir target");
    const target = folder.join("target");
    const { code } = await btget({
      args: [torrent, "--dir", target, "--no-dht", "--no-lsd"],
      allow: [
        `--allow-read=${torrent},${target}`,
        `--allow-write=${target}`,
      ],
    }).status;
    say(`exit status ${code}`);
    return code === 0 ? await compare(made.files, target) : code;
  } finally {
    for (const seed of seeds) seed.kill("SIGINT");
    for (const seed of seeds) await seed.status;
  }
}

async function seedsAnnounced(
  { announceUrl }: TrackerServer,
  infoHash: Uint8Array,
): Promise<void> {
  const tracker = HttpTracker.at(announceUrl)!;
  const signal = AbortSignal.timeout(30_000);
  let seeders = 0;
  while (seeders < SEEDS) {
    await delay(POLL_INTERVAL_MS, { signal });
    const [counts] = await tracker.scrape([infoHash], { signal });
    seeders = counts?.seeders ?? 0;
  }
}

/** Starts the program with no more permissions than it needs. */
function btget(
  { args, allow }: { args: string[]; allow: string[] },
): Deno.ChildProcess {
  const program = join(import.meta.dirname!, "../main.ts");
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-net",
      ...allow,
      program,
      ...args,
    ],
    stdin: "null",
  }).spawn();
}

async function compare(
  files: ReadonlyMap<string, Uint8Array>,
  target: string,
): Promise<number> {
  for (const [path, bytes] of files) {
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
