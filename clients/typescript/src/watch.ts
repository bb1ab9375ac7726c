// Follows the policy over reconnects.
import { setTimeout as sleep } from "node:timers/promises";
import { durationMs, type Duration } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Client } from "@connectrpc/connect";
import type { ClientInfo, PolicyAuthority, WatchPolicyResponse } from "./contract.js";
import { compareRefs, readPolicy, refOf, type Policy } from "./policy.js";

export interface Timing {
  readonly firstMessageMs: number;
  readonly backoffFloorMs: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly healthyAfterMs: number;
  readonly deniedMs: number;
  readonly lastGoodMaxMs: number;
}

export const DEFAULT_TIMING: Timing = {
  firstMessageMs: 10_000,
  backoffFloorMs: 50,
  backoffBaseMs: 250,
  backoffMaxMs: 5_000,
  healthyAfterMs: 60_000,
  deniedMs: 30_000,
  lastGoodMaxMs: 900_000,
};

export interface Surroundings {
  /** Milliseconds that never run backwards. */
  readonly now: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly uniform: (low: number, high: number) => number;
}

const REAL: Surroundings = {
  now: () => performance.now(),
  wait: (ms, signal) => sleep(ms, undefined, { signal }),
  uniform: (low, high) => low + Math.random() * Math.max(0, high - low),
};

export interface Listener {
  readonly onPolicy?: (policy: Policy) => void;
  /** Hears of each ended stream and each refused snapshot. */
  readonly onProblem?: (problem: Error) => void;
}

interface Held {
  readonly policy: Policy;
  readonly confirmedAt: number;
  readonly ageMs: number;
  readonly ttlMs: number;
}

const HARDLY_CURED_BY_WAITING = [Code.Unauthenticated, Code.PermissionDenied, Code.InvalidArgument, Code.Unimplemented];

class Goodbye extends Error {
  constructor(readonly waitMs: number) {
    super("goodbye");
  }
}

export class PolicyWatcher {
  #held: Held | undefined;

  constructor(
    private readonly client: Client<typeof PolicyAuthority>,
    private readonly info: Omit<ClientInfo, "$typeName" | "$unknown">,
    private readonly listener: Listener = {},
    private readonly timing: Timing = DEFAULT_TIMING,
    private readonly surroundings: Surroundings = REAL,
  ) {}

  /** The last applied policy, and whether entries may rely on it. Without one they may not; exits always may. */
  current(): { readonly policy: Policy | undefined; readonly reliable: boolean } {
    const held = this.#held;
    if (held === undefined) return { policy: undefined, reliable: false };
    const elapsed = this.surroundings.now() - held.confirmedAt;
    return { policy: held.policy, reliable: elapsed + held.ageMs <= this.timing.lastGoodMaxMs && elapsed < held.ttlMs };
  }

  /** Follows the policy until `signal` aborts. Any end of a stream leads to a new one. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures += 1) {
      const opened = this.surroundings.now();
      const problem = await this.#follow(signal).then(() => new Error("stream ended"), asError);
      if (signal.aborted) return;
      this.listener.onProblem?.(problem);
      if (this.surroundings.now() - opened >= this.timing.healthyAfterMs) failures = 0;
      await this.surroundings.wait(this.delayBeforeNext(failures, problem), signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  /** How long to wait after `problem`, the n-th failure in a row (from 0). */
  delayBeforeNext(failures: number, problem: Error): number {
    const { uniform } = this.surroundings;
    const { backoffFloorMs, backoffBaseMs, backoffMaxMs, deniedMs } = this.timing;
    if (problem instanceof Goodbye) return uniform(0, problem.waitMs);
    if (problem instanceof ConnectError && HARDLY_CURED_BY_WAITING.includes(problem.code)) {
      return uniform(deniedMs, 2 * deniedMs);
    }
    return uniform(backoffFloorMs, Math.min(backoffMaxMs, backoffBaseMs * 2 ** failures));
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const watchdog = new AbortController();
    let silenceMs = this.timing.firstMessageMs;
    const bark = () => watchdog.abort(new Error(`watchdog: silent ${silenceMs} ms`));
    let timer = setTimeout(bark, silenceMs);
    try {
      const known = this.#held?.policy.ref;
      const request = known === undefined ? { client: this.info } : { client: this.info, known };
      const stream = this.client.watchPolicy(request, { signal: AbortSignal.any([signal, watchdog.signal]) });
      for await (const message of stream) {
        clearTimeout(timer);
        const intervalMs = milliseconds(message.info?.heartbeatInterval);
        if (intervalMs > 0) silenceMs = 3 * intervalMs + 1_000;
        timer = setTimeout(bark, silenceMs);
        this.#take(message);
      }
    } catch (error) {
      throw watchdog.signal.aborted ? watchdog.signal.reason : error;
    } finally {
      clearTimeout(timer);
    }
  }

  #take(message: WatchPolicyResponse): void {
    const held = this.#held;
    const head = refOf(message.head);
    if (message.event.case === "goodbye") throw new Goodbye(milliseconds(message.event.value.reconnectAfter));
    if (message.event.case === "snapshot" && message.event.value.policy !== undefined) {
      this.#apply(readPolicy(message.event.value.policy), message);
    } else if (held !== undefined) {
      const ahead = compareRefs(held.policy.ref, head);
      if (ahead === 0 && held.policy.ref.etag === head.etag) this.#hold(held.policy, message);
      if (ahead < 0 && message.event.case === "heartbeat") throw new Error(`missed version ${head.version}`);
    }
  }

  #apply(policy: Policy, message: WatchPolicyResponse): void {
    const ref = this.#held?.policy.ref;
    const older = ref !== undefined && compareRefs(policy.ref, ref) < 0;
    const twin = ref !== undefined && compareRefs(policy.ref, ref) === 0 && policy.ref.etag !== ref.etag;
    if (policy.ref.version === 0n || older || twin) {
      const why = twin ? "the same revision came with two contents" : "it is older than what is held, or has no version";
      this.listener.onProblem?.(new Error(`snapshot refused: ${why}`));
      return;
    }
    this.#hold(policy, message);
    this.listener.onPolicy?.(policy);
  }

  #hold(policy: Policy, message: WatchPolicyResponse): void {
    this.#held = Object.freeze({
      policy,
      confirmedAt: this.surroundings.now(),
      ageMs: milliseconds(message.freshness?.replicaAge),
      ttlMs: milliseconds(message.freshness?.ttl),
    });
  }
}

function milliseconds(duration: Duration | undefined): number {
  return duration === undefined ? 0 : durationMs(duration);
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
