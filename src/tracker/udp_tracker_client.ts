/**
 * `UdpTrackerClient`: the exchange of packets with UDP trackers (BEP 15): a
 * connection first, then a question, each repeated when no answer comes.
 *
 * Anybody can send us packets. What is not the right answer, from the right
 * address, to a question that is open, is left alone, and the right one may
 * still come.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../bytes/endpoint.ts";
import { type Clock, REAL_CLOCK } from "../clock.ts";
import { NetworkError, TrackerError } from "../errors.ts";
import { resolve, type Resolver } from "../net/resolve.ts";
import type { PacketSocket } from "../net/udp.ts";
import {
  ACTION,
  type ConnectionId,
  decodeConnect,
  decodeError,
  decodeHead,
  encodeConnect,
} from "./udp_packet.ts";

/** BEP 15: the n-th try waits 15 · 2ⁿ seconds for its answer. */
const FIRST_TIMEOUT_MS = 15_000;

/**
 * BEP 15 goes on to n = 8, which takes two hours. After four minutes it is the
 * announcer who decides when to ask again.
 */
const MAX_TRIES = 4;

/** BEP 15: a client may use a connection "until one minute" has passed. */
const CONNECTION_LIFE_MS = 60_000;

/** A message for a person is a line. */
const MAX_MESSAGE_LENGTH = 500;

/** What a client is made of. */
export interface UdpTrackerClientOptions {
  /** Opens the socket, or gives the one that is open. */
  socket: () => PacketSocket;
  /** Finds addresses; the system does if not given. */
  resolve?: Resolver;
  /** The time; the real one if not given. */
  clock?: Clock;
}

/** What to ask a tracker. */
export interface Question {
  /** What the packet does, and its answer. */
  action: number;
  /** The length of an answer at least; a shorter one is none. */
  minLength: number;
  /**
   * Writes the packet.
   *
   * @param connection Over which connection.
   * @param transaction What the answer must repeat.
   * @returns The packet.
   */
  encode(connection: ConnectionId, transaction: number): Uint8Array;
  /** How often to ask; four times, which takes four minutes, if not given. */
  tries?: number;
  /** Gives up. */
  signal: AbortSignal;
}

/** A packet that waits for its answer. */
interface Pending {
  from: string;
  action: number;
  minLength: number;
  resolve: (packet: Uint8Array) => void;
  reject: (error: TrackerError) => void;
}

/** Sends questions to UDP trackers and knows their answers again. */
export class UdpTrackerClient implements Disposable {
  /** Finds the addresses of trackers. */
  readonly resolve: Resolver;
  readonly #open: () => PacketSocket;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  /** By the endpoints of trackers. */
  readonly #connections = new Map<
    string,
    { id: ConnectionId; until: number }
  >();
  #socket: PacketSocket | undefined;
  #subscription: Disposable | undefined;

  /**
   * Needs no socket yet.
   *
   * @param options How to get one.
   */
  constructor(options: UdpTrackerClientOptions) {
    this.#open = options.socket;
    this.#clock = options.clock ?? REAL_CLOCK;
    this.resolve = options.resolve ?? resolve;
  }

  /** Takes no answers any more. */
  [Symbol.dispose](): void {
    this.#subscription?.[Symbol.dispose]();
  }

  /**
   * Asks a tracker, and waits for its answer.
   *
   * @param addresses The tracker's addresses; another one at every try.
   * @param question What to ask.
   * @returns The packet that answers.
   * @throws {TrackerError} If it refuses.
   * @throws {NetworkError} If it does not answer in time, or no packet can be
   * sent there.
   */
  async ask(
    addresses: readonly Endpoint[],
    question: Question,
  ): Promise<Uint8Array> {
    const { tries = MAX_TRIES } = question;
    let unsent: NetworkError | undefined;
    let isSilent = false;
    for (let n = 0; n < tries; n++) {
      const to = addresses[n % addresses.length]!;
      // Where the system sends nothing today, it will not in a minute.
      if (unsent && !isSilent && n >= addresses.length) break;
      try {
        const timeoutMs = FIRST_TIMEOUT_MS * 2 ** n;
        const answer = await this.#try(to, { ...question, timeoutMs });
        if (answer) return answer;
        isSilent = true;
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
        unsent = error;
      }
    }
    if (unsent && !isSilent) throw unsent;
    throw new NetworkError(`${formatEndpoint(addresses[0]!)} does not answer`);
  }

  /** Asks once; `undefined` if the answer does not come in time. */
  async #try(
    to: Endpoint,
    options: Question & { timeoutMs: number },
  ): Promise<Uint8Array | undefined> {
    const key = formatEndpoint(to);
    const over = async (connection: ConnectionId) => {
      const encode = (transaction: number) =>
        options.encode(connection, transaction);
      const answer = await this.#exchange(to, { ...options, encode });
      // It may have forgotten the connection; it will not forget a new one.
      if (!answer) this.#connections.delete(key);
      return answer;
    };
    const known = this.#connections.get(key);
    if (known && known.until > this.#clock.now()) {
      try {
        return await over(known.id);
      } catch (error) {
        // So may a tracker that refuses: it may have started anew.
        if (!(error instanceof TrackerError)) throw error;
      }
    }
    const connection = await this.#connect(to, options);
    return connection === undefined ? undefined : await over(connection);
  }

  async #connect(
    to: Endpoint,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<ConnectionId | undefined> {
    const now = this.#clock.now();
    for (const [key, { until }] of this.#connections) {
      if (until <= now) this.#connections.delete(key);
    }
    const answer = await this.#exchange(to, {
      action: ACTION.connect,
      minLength: 16,
      encode: encodeConnect,
      timeoutMs,
      signal,
    });
    if (!answer) return undefined;
    const id = decodeConnect(answer);
    const until = now + CONNECTION_LIFE_MS;
    this.#connections.set(formatEndpoint(to), { id, until });
    return id;
  }

  /** Sends one packet and waits for its answer; `undefined` when it is late. */
  async #exchange(
    to: Endpoint,
    { action, minLength, encode, timeoutMs, signal }: {
      action: number;
      minLength: number;
      encode: (transaction: number) => Uint8Array;
      timeoutMs: number;
      signal: AbortSignal;
    },
  ): Promise<Uint8Array | undefined> {
    signal.throwIfAborted();
    const socket = this.#useSocket();
    const transaction = this.#newTransaction();
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const from = formatEndpoint(to);
    this.#pending.set(transaction, {
      from,
      action,
      minLength,
      resolve,
      reject,
    });
    const isOver = new AbortController();
    const patience = AbortSignal.any([signal, isOver.signal]);
    const lateness = this.#clock.delay(timeoutMs, { signal: patience })
      .then(() => undefined);
    try {
      const answer = Promise.race([promise, lateness]);
      // An answer can be there before the system says that the packet is out.
      const [, packet] = await Promise.all([
        socket.send(encode(transaction), to),
        answer,
      ]);
      return packet;
    } finally {
      this.#pending.delete(transaction);
      isOver.abort();
    }
  }

  /** Whoever could guess it could answer in the tracker's place. */
  #newTransaction(): number {
    for (;;) {
      const [transaction] = crypto.getRandomValues(new Uint32Array(1));
      if (!this.#pending.has(transaction!)) return transaction!;
    }
  }

  #useSocket(): PacketSocket {
    if (this.#socket) return this.#socket;
    const socket = this.#open();
    this.#subscription = socket.subscribe((packet, from) =>
      this.#receive(packet, from)
    );
    return this.#socket = socket;
  }

  #receive(packet: Uint8Array, from: Endpoint): boolean {
    const head = decodeHead(packet);
    const pending = head && this.#pending.get(head.transaction);
    if (!pending) return false;
    if (formatEndpoint(from) !== pending.from) return true;
    if (head.action === ACTION.error) {
      const message = decodeError(packet).slice(0, MAX_MESSAGE_LENGTH);
      pending.reject(new TrackerError(`The tracker says: ${message}`));
    } else if (
      head.action === pending.action && packet.length >= pending.minLength
    ) {
      pending.resolve(packet.slice());
    }
    return true;
  }
}
