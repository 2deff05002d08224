/**
 * nginx: a web server that people use as a web seed.
 *
 * @module
 */

import { TempFolder } from "../../support/temp_folder.ts";
import { Child, waitUntil } from "./child.ts";
import { freePort, freshAddress, isListening } from "./loopback.ts";

/** The program. */
export const NGINX = "nginx";

/** A run of it. */
export class Nginx implements AsyncDisposable {
  /** Where it listens. */
  readonly hostname: string = freshAddress();
  /** The port. */
  readonly port: number = freePort(this.hostname);
  /** What it serves: files that are put here. */
  readonly root: string;
  readonly #folder = new TempFolder();
  readonly #rules: string;
  #child: Child | undefined;

  /**
   * A server that does not run yet.
   *
   * @param rules More of its configuration, such as `limit_rate 1m;`.
   */
  constructor(rules = "") {
    this.#rules = rules;
    this.root = this.#folder.join("root");
    Deno.mkdirSync(this.root);
  }

  /** The URL of what it serves. */
  get url(): string {
    return `http://${this.hostname}:${this.port}/`;
  }

  /** The lines of its log: a request's status, bytes and range in each. */
  get requests(): string[] {
    const text = Deno.readTextFileSync(this.#folder.join("access.log"));
    return text.split("\n").filter((line) => line !== "");
  }

  /** What it has written. */
  get log(): string {
    return this.#child?.log ?? "";
  }

  /** Starts it. */
  async start(): Promise<void> {
    const { hostname, port, root } = this;
    const path = this.#folder.path;
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((kind) => `${kind}_temp_path ${path}/${kind};`).join(" ");
    const isRoot = Deno.uid() === 0;
    Deno.writeTextFileSync(
      this.#folder.join("nginx.conf"),
      `${isRoot ? "user root;" : ""} daemon off; pid ${path}/pid;
      error_log stderr; worker_processes 1;
      events { worker_connections 64; }
      http {
        log_format ranges '$status $body_bytes_sent $http_range $request_uri';
        access_log ${path}/access.log ranges; ${temporary}
        sendfile on; tcp_nopush on;
        server { listen ${hostname}:${port}; root ${root}; ${this.#rules} }
      }`,
    );
    this.#child = new Child(NGINX, {
      command: [NGINX, "-p", path, "-c", `${path}/nginx.conf`],
      cwd: path,
      env: { PATH: Deno.env.get("PATH") ?? "" },
    });
    const child = this.#child;
    await waitUntil(async () => {
      if (child.hasExited) throw new Error(`nginx has ended\n${child.log}`);
      return await isListening({ hostname, port });
    }, { what: `nginx at ${this.url}`, seconds: 20 });
  }

  /** Ends it: its workers go with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#child?.exit();
    this.#folder[Symbol.dispose]();
  }
}
