/**
 * Torrents for v1, v2 or both (BEP 52) and their payloads, made in memory.
 *
 * @module
 */

import { sha1 } from "../../src/bytes/hash.ts";
import {
  createTorrent,
  planTorrent,
  type TorrentForm,
} from "../../src/metainfo/create.ts";
import { leavesOf, merkleRoot, pieceLevel } from "../../src/metainfo/merkle.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { encodeTorrent } from "../../src/metainfo/torrent_file.ts";
import type { MadeTorrent } from "./make_torrent.ts";
import { randomBytes, seededRandom } from "./seeded_random.ts";
import { concat } from "@std/bytes/concat";

/** What to make. */
export interface FormRecipe {
  /** For whom it is. */
  form: TorrentForm;
  /** The name of the folder; `payload` if not given. */
  name?: string;
  /** The length of a piece; 32 KiB if not given. */
  pieceLength?: number;
  /** Each file's path and length; a file alone has the path "". */
  files: Record<string, number>;
  /** Tracker URLs, each in a tier of its own. */
  trackers?: readonly string[];
  /** Whether the piece layers are left out, as in a torrent from a link. */
  hasNoLayers?: boolean;
  /** A piece of which v1 says something else than v2. */
  contradictoryPiece?: number;
}

/**
 * Makes a torrent.
 *
 * @param recipe What to make.
 * @returns The torrent and its payload, pads among it.
 */
export function makeForm(recipe: FormRecipe): MadeTorrent {
  const { form, name = "payload", pieceLength = 32_768, files } = recipe;
  const plan = planTorrent(
    Object.entries(files).map(([path, length]) => ({
      path: path === "" ? [] : path.split("/"),
      length,
      isExecutable: false,
    })),
    { form, pieceLength },
  );
  const { layout } = plan;
  const payload = randomBytes(layout.length, seededRandom(1));
  const contents = new Map<string, Uint8Array>();
  plan.files.forEach((file, i) => {
    const begin = layout.fileOffset(i);
    const bytes = payload.subarray(begin, begin + layout.fileLength(i));
    if (file) contents.set([name, ...file.path].join("/"), bytes.slice());
    else bytes.fill(0);
  });
  const hashes: Uint8Array[] = [];
  const nodes: Uint8Array[] = [];
  for (let index = 0; index < layout.pieceCount; index++) {
    const begin = layout.pieceOffset(index);
    const piece = payload.subarray(begin, begin + layout.pieceSize(index));
    const isOther = index === recipe.contradictoryPiece;
    hashes.push(sha1(isOther ? Uint8Array.of(...piece, 1) : piece));
    if (form === "v1") continue;
    const [span] = layout.spans(begin, piece.length);
    const leaves = leavesOf(piece.subarray(0, span!.length));
    const isWhole = layout.fileLength(span!.file) <= pieceLength;
    nodes.push(
      merkleRoot(leaves, isWhole ? {} : { height: pieceLevel(pieceLength) }),
    );
  }
  const bytes = createTorrent(plan, {
    name,
    hashes: form === "v2" ? undefined : concat(hashes),
    nodes: form === "v1" ? undefined : concat(nodes),
    announceTiers: (recipe.trackers ?? []).map((url) => [url]),
  });
  const metainfo = parseMetainfo(bytes);
  if (!recipe.hasNoLayers) return { bytes, metainfo, payload, files: contents };
  const bare = encodeTorrent({ ...metainfo, pieceLayers: new Map() });
  return {
    bytes: bare,
    metainfo: parseMetainfo(bare),
    payload,
    files: contents,
  };
}
