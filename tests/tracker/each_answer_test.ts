import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError, TrackerError } from "../../src/errors.ts";
import { type Attempt, eachAnswer } from "../../src/tracker/each_answer.ts";
import { settled } from "../support/fake_tracker.ts";

const NEVER = new AbortController().signal;

/** An attempt that the test ends; it can be given up. */
class Way {
  readonly #answer = Promise.withResolvers<string>();
  /** Whether it was given up. */
  isAborted = false;

  readonly attempt: Attempt<string> = (signal) => {
    signal.addEventListener("abort", () => {
      this.isAborted = true;
      this.#answer.reject(signal.reason);
    });
    return this.#answer.promise;
  };

  answer(text: string): void {
    this.#answer.resolve(text);
  }

  fail(error: Error): void {
    this.#answer.reject(error);
  }
}

function ask(signal = NEVER) {
  const ways = [new Way(), new Way()] as const;
  const answers = eachAnswer(ways.map(({ attempt }) => attempt), { signal });
  return { ways, answers };
}

const nothing = { value: undefined, done: true };

Deno.test("eachAnswer() gives what comes, as it comes", async () => {
  const { ways: [a, b], answers } = ask();
  const first = answers.next();
  b.answer("b");
  assertEquals(await first, { value: "b", done: false });
  const second = answers.next();
  a.answer("a");
  assertEquals(await second, { value: "a", done: false });
  assertEquals(await answers.next(), nothing as IteratorResult<string, void>);
});

Deno.test("eachAnswer() needs one answer only", async (t) => {
  await t.step("when the other fails before", async () => {
    const { ways: [a, b], answers } = ask();
    a.fail(new TrackerError("down"));
    b.answer("b");
    assertEquals(await Array.fromAsync(answers), ["b"]);
  });
  await t.step("when the other fails after", async () => {
    const { ways: [a, b], answers } = ask();
    const first = answers.next();
    a.answer("a");
    assertEquals((await first).value, "a");
    b.fail(new TrackerError("down"));
    assertEquals(await Array.fromAsync(answers), []);
  });
  await t.step("and gives the other up when nobody wants it", async () => {
    const { ways: [a, b], answers } = ask();
    a.answer("a");
    for await (const answer of answers) {
      assertEquals(answer, "a");
      break;
    }
    assert(b.isAborted);
  });
});

Deno.test("eachAnswer() throws the failure that says most", async (t) => {
  const cause = new NetworkError("cause");
  const network = (message: string) => new TrackerError(message, { cause });
  const refusal = new TrackerError("The tracker says: no");
  const noWay = network("tcp connect error: Network unreachable");
  const refused = network("tcp connect error: Connection refused");
  const rows: [failures: [TrackerError, TrackerError], thrown: TrackerError][] =
    [
      [[refused, refusal], refusal],
      [[refusal, refused], refusal],
      [[noWay, refused], refused],
      [[refused, noWay], refused],
      [[noWay, noWay], noWay],
    ];
  for (const [failures, thrown] of rows) {
    await t.step(
      failures.map(({ message }) => message).join(", "),
      async () => {
        const { ways, answers } = ask();
        ways.forEach((way, i) => way.fail(failures[i]!));
        assertEquals(await assertRejects(() => answers.next()), thrown);
      },
    );
  }
});

Deno.test("eachAnswer() does not hide a bug", async () => {
  const { ways: [a, b], answers } = ask();
  a.fail(new RangeError("A bug"));
  await assertRejects(() => answers.next(), RangeError, "A bug");
  assert(b.isAborted);
});

Deno.test("eachAnswer() ends when it is aborted", async (t) => {
  await t.step("before an answer", async () => {
    const abort = new AbortController();
    const { ways, answers } = ask(abort.signal);
    const failing = assertRejects(() => answers.next(), Error, "enough");
    abort.abort(new Error("enough"));
    await failing;
    assert(ways.every(({ isAborted }) => isAborted));
  });
  await t.step("after the first", async () => {
    const abort = new AbortController();
    const { ways: [a], answers } = ask(abort.signal);
    a.answer("a");
    await answers.next();
    abort.abort(new Error("enough"));
    await assertRejects(() => answers.next(), Error, "enough");
    await settled();
  });
});
