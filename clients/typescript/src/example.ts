// Prints the policy and every later one: npm run watch-policy -- [http://127.0.0.1:7443]
import { randomUUID } from "node:crypto";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ClientRole, PolicyAuthority, RiskMode, TradingState } from "./contract.js";
import { PolicyWatcher } from "./watch.js";

// Where the authority wants to know who asks: MSC_TOKEN holds a token, and NODE_EXTRA_CA_CERTS names its CA for https://.
const token = process.env.MSC_TOKEN;
const bearer: Interceptor = (next) => (request) => {
  request.header.set("Authorization", `Bearer ${token}`);
  return next(request);
};

const baseUrl = process.argv[2] ?? "http://127.0.0.1:7443";
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());

const watcher = new PolicyWatcher(
  createClient(PolicyAuthority, createGrpcTransport({ baseUrl, pingIntervalMs: 30_000, interceptors: token ? [bearer] : [] })),
  {
    instanceId: randomUUID(),
    name: "typescript-example",
    role: ClientRole.OTHER,
    sdk: "typescript-example/0.1.0",
    startedAt: timestampNow(),
  },
  {
    onPolicy: (policy) =>
      console.log(
        `epoch=${policy.ref.epoch} version=${policy.ref.version} risk_mode=${RiskMode[policy.riskMode]} ` +
          `trading_state=${TradingState[policy.tradingState]} max_risk_per_trade=${policy.maxRiskPerTrade} ` +
          `strategies=${policy.riskMultiplier.size}`,
      ),
    onProblem: (problem) => console.error(problem.message),
  },
);
await watcher.run(stop.signal);
