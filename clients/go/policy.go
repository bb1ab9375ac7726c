// Package mscclient is a thin example client of the policy authority, on the generated stubs.
//
// It reads a policy once (Get), or follows it (Watcher). What it cannot understand it reads as the tightest meaning.
package mscclient

import (
	"math"

	pb "meta-strategy-controller/generated/go/msc_policy/v1"
)

// Ref names a revision. It compares by epoch, then version; version 0 means that there is no policy yet.
type Ref struct {
	Epoch, Version uint64
	ETag           string
}

// Before tells whether r is an older revision than other.
func (r Ref) Before(other Ref) bool {
	return r.Epoch < other.Epoch || (r.Epoch == other.Epoch && r.Version < other.Version)
}

func (r Ref) sameRevision(other Ref) bool {
	return r.Epoch == other.Epoch && r.Version == other.Version
}

func refOf(ref *pb.PolicyRef) Ref {
	return Ref{Epoch: ref.GetEpoch(), Version: ref.GetVersion(), ETag: ref.GetEtag()}
}

func (r Ref) wire() *pb.PolicyRef {
	return &pb.PolicyRef{Epoch: r.Epoch, Version: r.Version, Etag: r.ETag}
}

// Policy is one revision as a plain value. The zero value allows nothing.
type Policy struct {
	Ref          Ref
	RiskMode     pb.RiskMode
	TradingState pb.TradingState
	// Largest risk of one trade, as a fraction of equity.
	MaxRiskPerTrade float64
	// Smallest confidence of a signal, as a fraction.
	GlobalMinConfidence float64
	// Most positions open at once, over all processes.
	MaxPositions uint32
	// Most entries in one UTC day, over all processes.
	MaxDailyTrades uint32
	// Fraction of MaxRiskPerTrade each allowed strategy may use. Empty means nobody.
	RiskMultiplier map[string]float64
}

// Read maps a policy from the wire. A value it does not know, and a number that is none, is read as the tightest.
func Read(wire *pb.Policy) Policy {
	policy := Policy{
		Ref:                 refOf(wire.GetRef()),
		RiskMode:            tightestRiskMode(wire.GetRiskMode()),
		TradingState:        tightestTradingState(wire.GetTradingState()),
		MaxRiskPerTrade:     fractionOr(wire.GetMaxRiskPerTrade(), 0),
		GlobalMinConfidence: fractionOr(wire.GetGlobalMinConfidence(), 1),
		MaxPositions:        wire.GetMaxPositions(),
		MaxDailyTrades:      wire.GetMaxDailyTrades(),
		RiskMultiplier:      map[string]float64{},
	}
	listed := map[string]bool{}
	for _, id := range wire.GetAllowedStrategies() {
		listed[id] = id != ""
	}
	for _, grant := range wire.GetStrategyGrants() {
		if listed[grant.GetStrategyId()] && maySendOrders(grant.GetState()) {
			policy.RiskMultiplier[grant.GetStrategyId()] = fractionOr(grant.GetRiskMultiplier(), 0)
		}
	}
	return policy
}

// AllowsEntry tells whether a strategy may open positions under this policy, for as long as the policy holds.
func (p Policy) AllowsEntry(strategyID string) bool {
	_, granted := p.RiskMultiplier[strategyID]
	return granted && p.TradingState == pb.TradingState_TRADING_STATE_ACTIVE
}

func tightestRiskMode(mode pb.RiskMode) pb.RiskMode {
	switch mode {
	case pb.RiskMode_RISK_MODE_NORMAL, pb.RiskMode_RISK_MODE_AGGRESSIVE:
		return mode
	default:
		return pb.RiskMode_RISK_MODE_DEFENSIVE
	}
}

func tightestTradingState(state pb.TradingState) pb.TradingState {
	switch state {
	case pb.TradingState_TRADING_STATE_ACTIVE, pb.TradingState_TRADING_STATE_REDUCING:
		return state
	default:
		return pb.TradingState_TRADING_STATE_HALTED
	}
}

func maySendOrders(state pb.StrategyState) bool {
	return state == pb.StrategyState_STRATEGY_STATE_ACTIVE || state == pb.StrategyState_STRATEGY_STATE_PROBATION
}

func fractionOr(value, tightest float64) float64 {
	if math.IsNaN(value) || value < 0 || value > 1 {
		return tightest
	}
	return value
}
