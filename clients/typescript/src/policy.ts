// A policy as a plain frozen value. What is not understood is read as the tightest meaning.
import { RiskMode, StrategyState, TradingState, type Policy as WirePolicy, type PolicyRef } from "./contract.js";

export interface Ref {
  readonly epoch: bigint;
  readonly version: bigint;
  readonly etag: string;
}

export interface Policy {
  readonly ref: Ref;
  readonly riskMode: RiskMode;
  readonly tradingState: TradingState;
  /** Largest risk of one trade, as a fraction of equity. */
  readonly maxRiskPerTrade: number;
  /** Smallest confidence of a signal, as a fraction. */
  readonly globalMinConfidence: number;
  readonly maxPositions: number;
  readonly maxDailyTrades: number;
  /** Fraction of maxRiskPerTrade for each strategy that may open positions. Empty means nobody. */
  readonly riskMultiplier: ReadonlyMap<string, number>;
}

export function refOf(wire: PolicyRef | undefined): Ref {
  return { epoch: wire?.epoch ?? 0n, version: wire?.version ?? 0n, etag: wire?.etag ?? "" };
}

/** Negative when `left` is the older revision, 0 when both are the same one. */
export function compareRefs(left: Ref, right: Ref): number {
  return Number(left.epoch - right.epoch) || Number(left.version - right.version);
}

export function readPolicy(wire: WirePolicy): Policy {
  const listed = new Set(wire.allowedStrategies.filter((id) => id !== ""));
  const granted = wire.strategyGrants.filter((grant) => listed.has(grant.strategyId) && maySendOrders(grant.state));
  return Object.freeze({
    ref: refOf(wire.ref),
    riskMode: known(wire.riskMode, [RiskMode.NORMAL, RiskMode.AGGRESSIVE], RiskMode.DEFENSIVE),
    tradingState: known(wire.tradingState, [TradingState.ACTIVE, TradingState.REDUCING], TradingState.HALTED),
    maxRiskPerTrade: fractionOr(wire.maxRiskPerTrade, 0),
    globalMinConfidence: fractionOr(wire.globalMinConfidence, 1),
    maxPositions: wire.maxPositions,
    maxDailyTrades: wire.maxDailyTrades,
    riskMultiplier: new Map(granted.map((grant) => [grant.strategyId, fractionOr(grant.riskMultiplier, 0)])),
  });
}

/** Whether a strategy may open positions under this policy, for as long as the policy holds. */
export function allowsEntry(policy: Policy, strategyId: string): boolean {
  return policy.tradingState === TradingState.ACTIVE && policy.riskMultiplier.has(strategyId);
}

function maySendOrders(state: StrategyState): boolean {
  return state === StrategyState.ACTIVE || state === StrategyState.PROBATION;
}

function known<T>(value: T, looser: readonly T[], tightest: T): T {
  return looser.includes(value) ? value : tightest;
}

function fractionOr(value: number, tightest: number): number {
  return value >= 0 && value <= 1 ? value : tightest;
}
