/**
 * `Values`: the values of options, each checked as what it must be. Pure.
 *
 * @module
 */

import { type Endpoint, parseEndpoint } from "../bytes/endpoint.ts";
import { parseSize, UsageError } from "./options.ts";

/** With less than this not even handshakes pass in time. */
const MIN_RATE = 1024;

/** The values of options, each checked as what it must be. */
export class Values {
  readonly #parsed: Record<string, unknown>;

  /**
   * Takes what was parsed.
   *
   * @param parsed The values by the long names of their options.
   */
  constructor(parsed: Record<string, unknown>) {
    this.#parsed = parsed;
  }

  /**
   * A text; it must not be empty.
   *
   * @param name The name of the option.
   * @returns The text, if it is given.
   */
  text(name: string): string | undefined {
    const value = this.#parsed[name];
    if (value === "") throw new UsageError(`--${name} needs a value`);
    return value === undefined ? undefined : String(value);
  }

  /**
   * One of several words.
   *
   * @param name The name of the option.
   * @param choices The words.
   * @returns The word, if it is given.
   */
  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    const choice = choices.find((choice) => choice === text);
    if (text === undefined || choice !== undefined) return choice;
    throw new UsageError(
      `--${name} must be one of ${choices.join(", ")}; got '${text}'`,
    );
  }

  /**
   * A number of things, 1 or more.
   *
   * @param name The name of the option.
   * @returns The number, if it is given.
   */
  count(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
    throw new UsageError(
      `--${name} must be a whole number from 1 to 999999; got '${text}'`,
    );
  }

  /**
   * A time; 0 is no limit.
   *
   * @param name The name of the option.
   * @returns The seconds, if there is a limit.
   */
  seconds(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const seconds = Number(text);
    if (/^\d{1,8}(\.\d+)?$/.test(text)) {
      return seconds > 0 ? seconds : undefined;
    }
    throw new UsageError(
      `--${name} must be a number of seconds, 0 for no limit; got '${text}'`,
    );
  }

  /**
   * A number, 0 or more.
   *
   * @param name The name of the option.
   * @returns The number, if it is given.
   */
  number(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (/^\d{1,8}(\.\d+)?$/.test(text)) return Number(text);
    throw new UsageError(`--${name} must be a number; got '${text}'`);
  }

  /**
   * An option that may be repeated, each time with several values.
   *
   * @param name The name of the option.
   * @returns The values.
   */
  list(name: string): string[] {
    const texts = (this.#parsed[name] ?? []) as string[];
    return texts.flatMap((text) => {
      const values = text.split(",").map((value) => value.trim());
      if (!values.includes("")) return values;
      throw new UsageError(`--${name} must be URL[,URL...]; got '${text}'`);
    });
  }

  /**
   * URLs of trackers; the option may be repeated, each time with several.
   *
   * @param name The name of the option.
   * @returns The URLs.
   */
  trackers(name: string): string[] {
    return this.list(name).map((url) => checkTracker(name, url));
  }

  /**
   * Tiers of trackers; each time that the option is given is one.
   *
   * @param name The name of the option.
   * @returns The tiers.
   */
  tiers(name: string): string[][] {
    return this.texts(name).map((text) =>
      text.split(",").map((url) => checkTracker(name, url.trim()))
    );
  }

  /**
   * Texts; the option may be repeated.
   *
   * @param name The name of the option.
   * @returns The texts.
   */
  texts(name: string): string[] {
    return (this.#parsed[name] ?? []) as string[];
  }

  /**
   * Whether an option without a value is given.
   *
   * @param name The name of the option.
   * @returns Whether it is.
   */
  has(name: string): boolean {
    return this.#parsed[name] === true;
  }

  /**
   * Bytes per second; 0 is no limit.
   *
   * @param name The name of the option.
   * @returns The rate, if there is a limit.
   */
  rate(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const rate = parseSize(text);
    if (rate === 0) return undefined;
    if (rate !== undefined && rate >= MIN_RATE) return rate;
    throw new UsageError(
      `--${name} must be bytes per second such as 500K or 2M, 1K at least, ` +
        `or 0 for no limit; got '${text}'`,
    );
  }

  /**
   * Hosts with their ports; the option may be repeated.
   *
   * @param name The name of the option.
   * @returns The endpoints.
   */
  endpoints(name: string): Endpoint[] {
    const texts = (this.#parsed[name] ?? []) as string[];
    return texts.map((text) => {
      const endpoint = parseEndpoint(text);
      if (endpoint) return endpoint;
      throw new UsageError(
        `--${name} must be HOST:PORT, IPv6 as [ADDRESS]:PORT; got '${text}'`,
      );
    });
  }
}

function checkTracker(name: string, url: string): string {
  if (/^(https?|udp):\/\//i.test(url)) return url;
  throw new UsageError(
    `--${name} takes http, https and udp URLs; got '${url}'`,
  );
}
