import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
} from "@std/assert";
import { type BencodeInput, fromLatin1 } from "../../src/bytes/bencode.ts";
import { formatMagnet } from "../../src/metainfo/magnet.ts";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import {
  type MadeTorrent,
  makeTorrent,
  writePayload,
} from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Btget, type BtgetRecord } from "./support/btget.ts";
import { LIBTORRENT } from "./support/clients.ts";
import {
  isConnectionTo,
  MULTI_FILE,
  SINGLE_FILE,
} from "./support/downloads.ts";
import { NGINX, Nginx } from "./support/nginx.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { assertFiles, withSwarm } from "./support/swarm.ts";

const MIB = 1024 * 1024;

const missing = [...missingProgram(NGINX), ...missingProgram(OPENTRACKER)];

/** Lets btget download from web seeds alone. */
async function download(
  made: MadeTorrent,
  ...args: string[]
): Promise<BtgetRecord[]> {
  using folder = new TempFolder();
  await using btget = new Btget({
    folder: folder.path,
    args: [
      "--progress=json",
      "--listen-port=0",
      "--no-dht",
      "--no-lsd",
      ...args,
      "-",
    ],
    stdin: made.bytes,
  });
  assertEquals(await btget.finished(), 0, btget.log);
  await assertFiles(made, folder.path);
  return btget.records;
}

for (const recipe of [SINGLE_FILE, MULTI_FILE]) {
  conditionalTest({
    name: `btget downloads ${recipe.name} from nginx alone`,
    missing: missingProgram(NGINX),
    async fn(t) {
      await using nginx = new Nginx();
      await nginx.start();
      const bare = makeTorrent(recipe);
      writePayload(bare, nginx.root);
      await t.step("that the torrent names", async () => {
        const extra = { "url-list": [nginx.url] };
        await download(makeTorrent({ ...recipe, extra }));
      });
      await t.step("that the user names", async () => {
        await download(bare, `--web-seed=${nginx.url}`);
      });
      for (const request of nginx.requests) assertMatch(request, /^206 /);
    },
  });
}

/** What files may be called; a name of bytes is not in UTF-8. */
const NAMES: Record<string, string> = {
  "a b": "a b",
  "100% %41%2e%2e": "100% %41%2e%2e",
  "#1?x=y": "#1?x=y",
  "a+b&c=d;e": "a+b&c=d;e",
  "[x] @home: 'y' (z)!*,$~\"|<>^`{}": "[x] @home: 'y' (z)!*,$~\"|<>^`{}",
  "ä 文 🎬": "ä 文 🎬",
  "e\u0301": "e\u0301",
  "...": "...",
  ".hidden": ".hidden",
  "back\\slash": "back_slash",
  "..\\..": ".._..",
  "tab\there": "tab_here",
  "caf\xe9": "caf_",
  [`long${"n".repeat(251)}`]: `long${"n".repeat(251)}`,
};

function raw(name: string): Uint8Array {
  const isText = name !== "caf\xe9";
  return isText ? new TextEncoder().encode(name) : fromLatin1(name);
}

/** Writes a file whose name no string can hold. */
async function write(
  folder: string,
  name: Uint8Array,
  bytes: Uint8Array,
): Promise<void> {
  await Deno.writeFile(`${folder}/tmp`, bytes);
  const octal = Array.from(
    name,
    (byte) => `\\${byte.toString(8).padStart(3, "0")}`,
  );
  const { success } = await new Deno.Command("sh", {
    args: ["-c", `mv tmp "$(printf '${octal.join("")}')"`],
    cwd: folder,
  }).output();
  assert(success);
}

conditionalTest({
  name: "btget downloads names with every awkward character from nginx",
  missing: missingProgram(NGINX),
  async fn(t) {
    await using nginx = new Nginx();
    await nginx.start();
    const entries = Object.entries(NAMES);
    const list: BencodeInput = entries.map(([name], i) => ({
      length: 30_000 + i,
      path: ["sub folder", raw(name)],
    }));
    const made = makeTorrent({
      name: "top #%",
      files: Object.fromEntries(
        entries.map(([, safe], i) => [`sub folder/${safe}`, 30_000 + i]),
      ),
      info: { files: list },
      extra: { "url-list": nginx.url },
    });
    for (const [name, safe] of entries) {
      const bytes = made.files.get(`top #%/sub folder/${safe}`)!;
      const folder = `${nginx.root}/top #%/sub folder`;
      Deno.mkdirSync(folder, { recursive: true });
      await write(folder, raw(name), bytes);
    }
    await t.step("in one folder", async () => {
      await download(made);
    });
    for (const [name, safe] of entries) {
      await t.step(`alone: ${JSON.stringify(name.slice(0, 40))}`, async () => {
        const single = makeTorrent({
          name: safe,
          files: 30_000,
          info: { name: raw(name) },
        });
        await write(nginx.root, raw(name), single.payload);
        await download(single, `--web-seed=${nginx.url}`);
      });
    }
  },
});

conditionalTest({
  name: "btget downloads from nginx and a libtorrent seeder together",
  missing: [...missing, ...LIBTORRENT.missing()],
  async fn() {
    await using nginx = new Nginx("limit_rate 1m;");
    await nginx.start();
    const recipe = {
      name: "film",
      files: { a: 8 * MIB + 1, "b/c": 13 * MIB + 2 },
      extra: { "url-list": nginx.url },
    };
    writePayload(makeTorrent(recipe), nginx.root);
    await withSwarm(
      { recipe, seeders: [LIBTORRENT], maxRate: 4096 },
      async (swarm) => {
        const records = await swarm.download();
        assert(records.some((record) => isConnectionTo(record, LIBTORRENT)));
        const given = nginx.requests
          .reduce((sum, line) => sum + Number(line.split(" ")[1]), 0);
        assertGreater(given, 0);
        assertLess(given, 21 * MIB);
      },
    );
  },
});

conditionalTest({
  name: "btget bans an nginx with wrong bytes beside an honest seeder",
  missing: [...missing, ...LIBTORRENT.missing()],
  async fn() {
    await using nginx = new Nginx();
    await nginx.start();
    const recipe = {
      ...MULTI_FILE,
      extra: { "url-list": nginx.url },
    };
    const wrong = makeTorrent(recipe);
    for (const bytes of wrong.files.values()) {
      for (let at = 7; at < bytes.length; at += 10_000) bytes[at]! ^= 1;
    }
    writePayload(wrong, nginx.root);
    await withSwarm({ recipe, seeders: [LIBTORRENT] }, async (swarm) => {
      const records = await swarm.download();
      const bans = records.filter(({ type }) => /banned/.test(type));
      assertEquals(
        bans.map(({ type, webSeed }) => [type, webSeed]),
        [["web_seed_banned", nginx.url]],
      );
    });
  },
});

conditionalTest({
  name: "btget downloads from the nginx of a magnet link",
  missing: [...missing, ...LIBTORRENT.missing()],
  async fn() {
    await using nginx = new Nginx();
    await nginx.start();
    await withSwarm({
      recipe: MULTI_FILE,
      trackers: () => [],
      seeders: [LIBTORRENT],
      maxRate: 64,
    }, async (swarm) => {
      writePayload(swarm.made, nginx.root);
      await swarm.download({
        source: formatMagnet({
          infoHash: swarm.made.metainfo.infoHash,
          webSeeds: [nginx.url],
          peers: swarm.endpoints,
        }),
      });
      assertGreater(nginx.requests.length, 0);
    });
  },
});
