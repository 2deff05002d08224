/**
 * How a fake peer gives hashes of a torrent of v2 (BEP 52).
 *
 * @module
 */

import { ourReserved } from "../../src/wire/handshake.ts";
import type { HashRange } from "../../src/wire/hash_range.ts";
import type { Message } from "../../src/wire/message.ts";
import type { Behaviour, FakeConnection } from "./fake_peer.ts";
import { hashesOf } from "./hashes_of.ts";
import type { MadeTorrent } from "./make_torrent.ts";

/** What differs from an honest peer. */
export interface HashGiver extends Behaviour {
  /** What it answers to a request; `undefined` for nothing. */
  answer?: (range: HashRange, right: Message) => Message | undefined;
  /** Hears of every request. */
  onAsked?: (range: HashRange) => void;
}

/**
 * The behaviour of a peer that gives hashes.
 *
 * @param made The torrent, with all of its payload.
 * @param giver What differs.
 * @returns The behaviour, for a {@linkcode FakePeer}.
 */
export function givesHashes(
  made: MadeTorrent,
  giver: HashGiver = {},
): Behaviour {
  const { infoHashV2 } = made.metainfo;
  return {
    reserved: ourReserved(),
    handshake: (right) => {
      // A hybrid torrent is named by its info hash of v2.
      right.set(infoHashV2!.subarray(0, 20), 28);
      return right;
    },
    ...giver,
    async onMessage(message: Message, connection: FakeConnection) {
      await giver.onMessage?.(message, connection);
      if (message.type !== "hash_request") return;
      giver.onAsked?.(message);
      const right: Message = {
        ...message,
        type: "hashes",
        hashes: hashesOf(made, message),
      };
      const answer = giver.answer ? giver.answer(message, right) : right;
      if (answer) await connection.send(answer);
    },
  };
}
