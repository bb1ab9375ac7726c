import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  ClientRole,
  PolicyAuthority,
  PolicySchema,
  RiskMode,
  StrategyState,
  TradingState,
  type WatchPolicyRequest,
  type WatchPolicyResponseSchema,
} from "../src/contract.js";
import { allowsEntry, readPolicy, type Policy } from "../src/policy.js";
import { DEFAULT_TIMING, PolicyWatcher, type Surroundings } from "../src/watch.js";

type Message = MessageInitShape<typeof WatchPolicyResponseSchema>;
type Script = (request: WatchPolicyRequest) => Message[];

const INFO = { instanceId: "test", name: "test", role: ClientRole.OTHER, sdk: "test" };

function policyAt(epoch: bigint, version: bigint, etag = '"a"') {
  return {
    ref: { epoch, version, etag },
    riskMode: RiskMode.NORMAL,
    tradingState: TradingState.ACTIVE,
    allowedStrategies: ["TREND_001"],
    maxRiskPerTrade: 0.0075,
    globalMinConfidence: 0.6,
    strategyGrants: [{ strategyId: "TREND_001", state: StrategyState.ACTIVE, riskMultiplier: 1 }],
  };
}

function snapshot(policy: ReturnType<typeof policyAt>, ageS = 0n, ttlS = 3600n): Message {
  const freshness = { replicaAge: { seconds: ageS }, ttl: { seconds: ttlS } };
  return { head: policy.ref, freshness, event: { case: "snapshot", value: { policy } } };
}

/** Plays one script for each stream, then stops. Waits are recorded instead of waited. */
async function follow(...scripts: (Script | ConnectError)[]) {
  const stop = new AbortController();
  const transport = createRouterTransport(({ service }) => {
    service(PolicyAuthority, {
      async *watchPolicy(request) {
        const script = scripts.shift();
        if (script instanceof ConnectError) throw script;
        if (script === undefined) return stop.abort();
        yield* script(request);
      },
    });
  });
  const seen = { policies: [] as Policy[], problems: [] as string[], waits: [] as number[], time: { ms: 0 } };
  const surroundings: Surroundings = {
    now: () => seen.time.ms,
    wait: async (ms) => void seen.waits.push(ms),
    uniform: (_low, high) => high,
  };
  const listener = {
    onPolicy: (policy: Policy) => void seen.policies.push(policy),
    onProblem: (problem: Error) => void seen.problems.push(problem.message),
  };
  const watcher = new PolicyWatcher(createClient(PolicyAuthority, transport), INFO, listener, DEFAULT_TIMING, surroundings);
  await watcher.run(stop.signal);
  return { ...seen, watcher };
}

test("what is not known is read as the tightest", () => {
  const odd = create(PolicySchema, { ...policyAt(1n, 1n), maxRiskPerTrade: NaN, globalMinConfidence: -1 });
  odd.riskMode = 99 as RiskMode;
  odd.tradingState = 99 as TradingState;
  const policy = readPolicy(odd);
  assert.equal(policy.riskMode, RiskMode.DEFENSIVE);
  assert.equal(policy.tradingState, TradingState.HALTED);
  assert.equal(policy.maxRiskPerTrade, 0);
  assert.equal(policy.globalMinConfidence, 1);
  assert.equal(allowsEntry(policy, "TREND_001"), false);
});

test("an empty list means nobody, and a signal without a strategy is not allowed", () => {
  assert.equal(allowsEntry(readPolicy(create(PolicySchema, policyAt(1n, 1n))), "TREND_001"), true);
  assert.equal(allowsEntry(readPolicy(create(PolicySchema, policyAt(1n, 1n))), ""), false);
  const empty = create(PolicySchema, { ...policyAt(1n, 1n), allowedStrategies: [] });
  assert.equal(allowsEntry(readPolicy(empty), "TREND_001"), false);
});

test("any end of a stream leads to a new one that says what is held", async () => {
  let known: bigint | undefined;
  const { policies, waits } = await follow(
    () => [snapshot(policyAt(1n, 1n))],
    (request) => {
      known = request.known?.version;
      return [snapshot(policyAt(1n, 2n))];
    },
  );
  assert.equal(known, 1n);
  assert.deepEqual(policies.map((policy) => policy.ref.version), [1n, 2n]);
  assert.deepEqual(waits, [250, 500]);
});

test("an older policy, a second content and one without a version are refused", async () => {
  for (const bad of [policyAt(1n, 9n), policyAt(2n, 5n, '"b"'), policyAt(3n, 0n)]) {
    const { policies, problems, watcher } = await follow(() => [snapshot(policyAt(2n, 5n)), snapshot(bad)]);
    assert.equal(policies.length, 1);
    assert.match(problems[0] ?? "", /^snapshot refused/);
    assert.equal(watcher.current().policy?.ref.version, 5n);
  }
});

test("a heartbeat ahead of what is held reopens the stream", async () => {
  const head = policyAt(1n, 2n).ref;
  const { problems } = await follow(() => [
    snapshot(policyAt(1n, 1n)),
    { head, event: { case: "heartbeat", value: { seq: 1n } } },
  ]);
  assert.equal(problems[0], "missed version 2");
});

test("a goodbye is followed by the wait it asks for, a refusal by a long one", async () => {
  const { waits } = await follow(
    () => [{ event: { case: "goodbye", value: { reconnectAfter: { seconds: 4n } } } }],
    new ConnectError("no", Code.PermissionDenied),
  );
  assert.deepEqual(waits, [4_000, 60_000]);
});

test("entries may not rely on a policy that nobody confirms", async () => {
  const aged = await follow(() => [snapshot(policyAt(1n, 1n), 10n)]);
  for (const [ms, reliable] of [[0, true], [890_000, true], [890_001, false]] as const) {
    aged.time.ms = ms;
    assert.equal(aged.watcher.current().reliable, reliable, `${ms} ms`);
  }
  assert.equal((await follow(() => [snapshot(policyAt(1n, 1n), 0n, 0n)])).watcher.current().reliable, false);
  assert.equal((await follow()).watcher.current().reliable, false);
});
