/**
 * How a fake peer behaves that speaks the extension protocol (BEP 10), and has
 * metadata to give (BEP 9), or pretends to.
 *
 * @module
 */

import {
  encodeExtensionHandshake,
  EXTENSION_HANDSHAKE_ID,
  type ExtensionHandshake,
} from "../../src/wire/extension_handshake.ts";
import { ourReserved } from "../../src/wire/handshake.ts";
import type { Message } from "../../src/wire/message.ts";
import {
  decodeMetadataMessage,
  encodeMetadataMessage,
  type MetadataMessage,
  UT_METADATA,
} from "../../src/wire/ut_metadata.ts";
import type { Behaviour } from "./fake_peer.ts";
import { answerFrom } from "./metadata_scene.ts";

/** Under which id the peer takes metadata messages: another than ours. */
const METADATA_ID = 7;

/** What an offer consists of. */
export interface MetadataOffer {
  /** The metadata. */
  metadata: Uint8Array;
  /** How it answers; with the metadata if not given. */
  answer?: (
    piece: number,
    right: MetadataMessage,
  ) => MetadataMessage | undefined;
  /** What else it says of itself, or instead. */
  handshake?: Partial<ExtensionHandshake>;
  /** What it says of its pieces; that it has all if not given. */
  greeting?: (bitfield: Uint8Array) => Message[];
}

/**
 * An extension handshake as a message.
 *
 * @param handshake What it says.
 * @returns The message.
 */
export function extensionHandshake(
  handshake: Partial<ExtensionHandshake>,
): Message {
  return {
    type: "extended",
    id: EXTENSION_HANDSHAKE_ID,
    payload: encodeExtensionHandshake({ messages: new Map(), ...handshake }),
  };
}

/**
 * Makes a behaviour.
 *
 * @param offer What is offered.
 * @returns The behaviour; what it does beside that can be added.
 */
export function offersMetadata(offer: MetadataOffer): Behaviour {
  const {
    metadata,
    answer = (_, right) => right,
    handshake,
    greeting = (bitfield) => [{ type: "bitfield", bitfield }],
  } = offer;
  const right = answerFrom(metadata);
  return {
    reserved: ourReserved(),
    greeting: (bitfield) => [
      ...greeting(bitfield),
      extensionHandshake({
        messages: new Map([[UT_METADATA, METADATA_ID]]),
        metadataSize: metadata.length,
        ...handshake,
      }),
    ],
    async onMessage(message, connection) {
      if (message.type !== "extended" || message.id !== METADATA_ID) return;
      const request = decodeMetadataMessage(message.payload);
      const id = connection.extensions
        .flatMap((messages) => messages.get(UT_METADATA) ?? []).at(0);
      if (request?.type !== "request" || id === undefined) return;
      const { piece } = request;
      const given = answer(piece, right(piece)!);
      if (!given) return;
      await connection.send({
        type: "extended",
        id,
        payload: encodeMetadataMessage(given),
      });
    },
  };
}
