/**
 * Whatever a tracker answers, `decodeAnnounceResponse()` returns peers that
 * can be dialled, a bounded number of them, or throws `TrackerError` or
 * `ProtocolError`, and nothing else.
 */

import { assert, assertEquals } from "@std/assert";
import { endpointOf } from "../../src/bytes/endpoint.ts";
import { ProtocolError, TrackerError } from "../../src/errors.ts";
import { decodeAnnounceResponse } from "../../src/tracker/http_answer.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { decodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/tracker_vectors.json" with { type: "json" };

const SEED = 1;
const ROUNDS = 100_000;

const ANSWERS = [
  ...vectors.replies.map(({ text, bytes }) =>
    text === undefined ? decodeHex(bytes!) : new TextEncoder().encode(text)
  ),
  ...[
    "d14:failure reason2:no8:retry ini5ee",
    "d14:failure reason2:no8:retry in5:nevere",
    "d10:tracker id3:\u00e9x8:completei-5e10:incompletei99999999999999999999ee",
    "d5:peersld2:ip3:::14:porti1eei7elee6:peers66:abcdefe",
  ].map((text) => new TextEncoder().encode(text)),
];

/** What stands in bencoding, to be put where it does not belong. */
const TOKENS = [
  "d",
  "l",
  "e",
  "i",
  ":",
  "-",
  "0",
  "9",
  "5:peers",
  "2:ip",
  "i0e",
]
  .map((text) => new TextEncoder().encode(text));

type Draw = (limit: number) => number;

function mutate(bytes: Uint8Array, draw: Draw): Uint8Array {
  const at = draw(bytes.length + 1);
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (draw(6)) {
    case 0: {
      const changed = bytes.slice();
      if (changed.length > 0) changed[draw(changed.length)] = draw(256);
      return changed;
    }
    case 1:
      return head;
    case 2:
      return joined(head, tail.subarray(draw(8)));
    case 3:
      return joined(head, TOKENS[draw(TOKENS.length)]!, tail);
    case 4:
      return joined(head, bytes.subarray(draw(bytes.length + 1)));
    default: {
      const other = ANSWERS[draw(ANSWERS.length)]!;
      return joined(head, other.subarray(draw(other.length)));
    }
  }
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function checkAnswer(body: Uint8Array, status: number): void {
  try {
    const answer = decodeAnnounceResponse(body, { status });
    assert(answer.peers.length <= 3000);
    for (const { endpoint, peerId } of answer.peers) {
      assertEquals(endpointOf(endpoint.hostname, endpoint.port), endpoint);
      assert(peerId === undefined || peerId.length === 20);
    }
    const { interval, minInterval, seeders, leechers } = answer;
    for (const number of [interval, minInterval, seeders, leechers]) {
      assert(number === undefined || Number.isSafeInteger(number));
    }
  } catch (error) {
    if (error instanceof TrackerError) {
      const { retryIn } = error.options;
      assert(retryIn === undefined || !Number.isNaN(retryIn));
    } else if (!(error instanceof ProtocolError)) throw error;
  }
}

Deno.test("decodeAnnounceResponse() survives any answer", () => {
  const random = seededRandom(SEED);
  const draw: Draw = (limit) => Math.floor(random() * limit);
  for (let round = 0; round < ROUNDS; round++) {
    let body = round % 10 === 0
      ? randomBytes(draw(100), random)
      : ANSWERS[draw(ANSWERS.length)]!;
    for (let i = draw(4); i >= 0; i--) body = mutate(body, draw);
    try {
      checkAnswer(body, draw(2) === 0 ? 200 : 404);
    } catch (error) {
      throw new Error(`Seed ${SEED}, round ${round}: ${[...body]}`, {
        cause: error,
      });
    }
  }
});
