/**
 * Structured concurrency: no task outlives the block that started it.
 *
 * @module
 */

/** Options for {@linkcode TaskGroup}. */
export interface TaskGroupOptions {
  /** Aborts every task of the group. */
  signal?: AbortSignal;
}

/**
 * Runs tasks side by side; the first that fails aborts the others.
 *
 * Leaving the block that declared the group with `await using` aborts what
 * still runs and waits for it, so a task can neither leak nor fail unseen.
 */
export class TaskGroup implements AsyncDisposable {
  readonly #abort = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  /** Aborted when the owner's signal is, when a task fails, and at the end. */
  readonly signal: AbortSignal;

  /**
   * Opens a group without tasks.
   *
   * @param options The signal of the owner.
   */
  constructor(options: TaskGroupOptions = {}) {
    this.signal = options.signal
      ? AbortSignal.any([options.signal, this.#abort.signal])
      : this.#abort.signal;
  }

  /** How many tasks are running. */
  get size(): number {
    return this.#tasks.size;
  }

  /**
   * Starts a task.
   *
   * @param task What to run, with the group's signal.
   */
  spawn(task: (signal: AbortSignal) => Promise<void>): void {
    const running = this.#run(task).finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }

  async #run(task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await task(this.signal);
    } catch (error) {
      if (this.signal.aborted) return;
      this.#failure = { error };
      this.#abort.abort(error);
    }
  }

  /** Waits until no task is left, and throws the first failure if any. */
  async join(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
    if (this.#failure) throw this.#failure.error;
  }

  /** Aborts every task and waits until none is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#tasks);
  }
}
