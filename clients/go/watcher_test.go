package mscclient

import (
	"context"
	"errors"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "meta-strategy-controller/generated/go/msc_policy/v1"
)

const deadline = 10 * time.Second

// script is what one WatchPolicy call does; it sees the request first.
type script func(*pb.WatchPolicyRequest, grpc.ServerStreamingServer[pb.WatchPolicyResponse]) error

type authority struct {
	pb.UnimplementedPolicyAuthorityServer
	policy  *pb.Policy
	scripts chan script
}

func (a *authority) GetPolicy(context.Context, *pb.GetPolicyRequest) (*pb.GetPolicyResponse, error) {
	if a.policy == nil {
		return nil, status.Error(codes.NotFound, "no policy yet")
	}
	return &pb.GetPolicyResponse{Policy: a.policy, Head: a.policy.Ref}, nil
}

func (a *authority) WatchPolicy(request *pb.WatchPolicyRequest, stream grpc.ServerStreamingServer[pb.WatchPolicyResponse]) error {
	select {
	case play := <-a.scripts:
		return play(request, stream)
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
}

func serve(t *testing.T, policy *pb.Policy, scripts ...script) grpc.ClientConnInterface {
	t.Helper()
	served := &authority{policy: policy, scripts: make(chan script, len(scripts))}
	for _, script := range scripts {
		served.scripts <- script
	}
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	pb.RegisterPolicyAuthorityServer(server, served)
	go func() { _ = server.Serve(listener) }()
	connection, err := grpc.NewClient("passthrough:///bufconn",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close(); server.Stop() })
	return connection
}

func policyAt(epoch, version uint64) *pb.Policy {
	return &pb.Policy{
		Ref:                 &pb.PolicyRef{Epoch: epoch, Version: version, Etag: `"a"`},
		RiskMode:            pb.RiskMode_RISK_MODE_NORMAL,
		TradingState:        pb.TradingState_TRADING_STATE_ACTIVE,
		AllowedStrategies:   []string{"TREND_001"},
		MaxRiskPerTrade:     0.0075,
		GlobalMinConfidence: 0.6,
		StrategyGrants: []*pb.StrategyGrant{
			{StrategyId: "TREND_001", State: pb.StrategyState_STRATEGY_STATE_ACTIVE, RiskMultiplier: 1},
		},
	}
}

func fresh() *pb.Freshness {
	return &pb.Freshness{ReplicaAge: durationpb.New(0), Ttl: durationpb.New(time.Hour)}
}

func snapshot(policy *pb.Policy) *pb.WatchPolicyResponse {
	return &pb.WatchPolicyResponse{
		Head: policy.Ref, Freshness: fresh(), Event: &pb.WatchPolicyResponse_Snapshot{Snapshot: &pb.Snapshot{Policy: policy}},
	}
}

func sendAll(messages ...*pb.WatchPolicyResponse) script {
	return func(_ *pb.WatchPolicyRequest, stream grpc.ServerStreamingServer[pb.WatchPolicyResponse]) error {
		for _, message := range messages {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		return nil
	}
}

// trial runs a watcher whose waits are recorded instead of waited.
type trial struct {
	*Watcher
	policies chan Policy
	problems chan error
	waits    chan time.Duration
	clock    time.Time
}

func run(t *testing.T, connection grpc.ClientConnInterface, adjust func(*Watcher)) *trial {
	t.Helper()
	tried := &trial{
		Watcher:  NewWatcher(&pb.ClientInfo{InstanceId: "test"}),
		policies: make(chan Policy, 16),
		problems: make(chan error, 16),
		waits:    make(chan time.Duration, 16),
		clock:    time.Unix(1_700_000_000, 0),
	}
	tried.OnPolicy = func(policy Policy) { tried.policies <- policy }
	tried.OnProblem = func(err error) { tried.problems <- err }
	tried.now = func() time.Time { return tried.clock }
	tried.uniform = func(_, high time.Duration) time.Duration { return high }
	tried.wait = func(ctx context.Context, delay time.Duration) error {
		tried.waits <- delay
		return ctx.Err()
	}
	adjust(tried.Watcher)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = tried.Run(ctx, connection) }()
	t.Cleanup(func() { cancel(); <-ended })
	return tried
}

func next[T any](t *testing.T, from chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(deadline):
		t.Fatal("nothing came before the deadline")
		panic("unreachable")
	}
}

func asIs(*Watcher) {}

func TestGetReturnsThePolicy(t *testing.T) {
	policy, err := Get(context.Background(), serve(t, policyAt(1, 3)))
	if err != nil || policy.Ref.Version != 3 || !policy.AllowsEntry("TREND_001") || policy.AllowsEntry("") {
		t.Fatalf("got %+v, %v", policy, err)
	}
}

func TestGetPassesTheErrorOn(t *testing.T) {
	if _, err := Get(context.Background(), serve(t, nil)); status.Code(err) != codes.NotFound {
		t.Fatalf("got %v", err)
	}
}

func TestWhatIsNotKnownIsReadAsTheTightest(t *testing.T) {
	wire := policyAt(1, 1)
	wire.RiskMode, wire.TradingState, wire.StrategyGrants[0].State = 99, 99, 99
	wire.MaxRiskPerTrade, wire.GlobalMinConfidence = math.NaN(), -1
	policy := Read(wire)
	if policy.RiskMode != pb.RiskMode_RISK_MODE_DEFENSIVE || policy.TradingState != pb.TradingState_TRADING_STATE_HALTED {
		t.Errorf("enums: %+v", policy)
	}
	if policy.MaxRiskPerTrade != 0 || policy.GlobalMinConfidence != 1 || policy.AllowsEntry("TREND_001") {
		t.Errorf("limits: %+v", policy)
	}
}

func TestAGrantForAnUnlistedStrategyIsNone(t *testing.T) {
	wire := policyAt(1, 1)
	wire.AllowedStrategies = nil
	if Read(wire).AllowsEntry("TREND_001") {
		t.Error("an empty list must mean nobody")
	}
}

func TestAnyEndOfAStreamLeadsToANewOneThatSaysWhatIsHeld(t *testing.T) {
	known := make(chan *pb.PolicyRef, 1)
	second := func(request *pb.WatchPolicyRequest, stream grpc.ServerStreamingServer[pb.WatchPolicyResponse]) error {
		known <- request.GetKnown()
		return stream.Send(snapshot(policyAt(1, 2)))
	}
	tried := run(t, serve(t, nil, sendAll(snapshot(policyAt(1, 1))), second), asIs)
	if first := next(t, tried.policies); first.Ref.Version != 1 {
		t.Fatalf("got %+v", first)
	}
	if ref := next(t, known); ref.GetVersion() != 1 {
		t.Errorf("the second stream was opened with %v", ref)
	}
	if later := next(t, tried.policies); later.Ref.Version != 2 {
		t.Errorf("got %+v", later)
	}
	if wait := next(t, tried.waits); wait != 250*time.Millisecond {
		t.Errorf("waited up to %v", wait)
	}
}

func TestAnOlderPolicyAndASecondContentAreRefused(t *testing.T) {
	twin := policyAt(2, 5)
	twin.Ref.Etag = `"b"`
	unnumbered := policyAt(3, 0)
	for name, bad := range map[string]*pb.Policy{"older": policyAt(1, 9), "twin": twin, "unnumbered": unnumbered} {
		t.Run(name, func(t *testing.T) {
			tried := run(t, serve(t, nil, sendAll(snapshot(policyAt(2, 5)), snapshot(bad))), asIs)
			if err := next(t, tried.problems); !errors.Is(err, ErrRefused) {
				t.Fatalf("got %v", err)
			}
			if policy, reliable := tried.Current(); policy.Ref != (Ref{2, 5, `"a"`}) || !reliable {
				t.Errorf("now %+v", policy)
			}
		})
	}
}

func TestAGreaterEpochMayStartItsVersionsAnew(t *testing.T) {
	tried := run(t, serve(t, nil, sendAll(snapshot(policyAt(1, 9)), snapshot(policyAt(2, 1)))), asIs)
	next(t, tried.policies)
	if policy := next(t, tried.policies); policy.Ref.Epoch != 2 {
		t.Errorf("got %+v", policy)
	}
}

func TestAHeartbeatAheadOfWhatIsHeldReopensTheStream(t *testing.T) {
	beat := &pb.WatchPolicyResponse{
		Head:  policyAt(1, 2).Ref,
		Event: &pb.WatchPolicyResponse_Heartbeat{Heartbeat: &pb.Heartbeat{Seq: 1}},
	}
	tried := run(t, serve(t, nil, sendAll(snapshot(policyAt(1, 1)), beat), sendAll(snapshot(policyAt(1, 2)))), asIs)
	if err := next(t, tried.problems); !strings.Contains(err.Error(), "missed version 2") {
		t.Errorf("got %v", err)
	}
}

func TestGoodbyeIsFollowedByTheWaitItAsksFor(t *testing.T) {
	goodbye := &pb.WatchPolicyResponse{Event: &pb.WatchPolicyResponse_Goodbye{
		Goodbye: &pb.Goodbye{Reason: pb.GoodbyeReason_GOODBYE_REASON_DRAINING, ReconnectAfter: durationpb.New(4 * time.Second)},
	}}
	tried := run(t, serve(t, nil, sendAll(goodbye)), asIs)
	if wait := next(t, tried.waits); wait != 4*time.Second {
		t.Errorf("waited up to %v", wait)
	}
}

func TestARefusalThatWaitingHardlyCuresIsRetriedSlowly(t *testing.T) {
	denied := func(*pb.WatchPolicyRequest, grpc.ServerStreamingServer[pb.WatchPolicyResponse]) error {
		return status.Error(codes.PermissionDenied, "no")
	}
	tried := run(t, serve(t, nil, denied), asIs)
	if wait := next(t, tried.waits); wait != 60*time.Second {
		t.Errorf("waited up to %v", wait)
	}
}

func TestASilentStreamIsEndedByTheWatchdog(t *testing.T) {
	tried := run(t, serve(t, nil), func(watcher *Watcher) { watcher.Timing.FirstMessage = 20 * time.Millisecond })
	if err := next(t, tried.problems); !strings.HasPrefix(err.Error(), "watchdog: silent") {
		t.Errorf("got %v", err)
	}
}

func TestEntriesMayNotRelyOnAPolicyThatNobodyConfirms(t *testing.T) {
	watcher := NewWatcher(nil)
	start := time.Unix(1_700_000_000, 0)
	watcher.now = func() time.Time { return start }
	if _, reliable := watcher.Current(); reliable {
		t.Error("there is no policy yet")
	}
	watcher.apply(nil, Read(policyAt(1, 1)), &pb.Freshness{ReplicaAge: durationpb.New(10 * time.Second), Ttl: durationpb.New(time.Hour)})
	for elapsed, want := range map[time.Duration]bool{0: true, 890 * time.Second: true, 891 * time.Second: false} {
		watcher.now = func() time.Time { return start.Add(elapsed) }
		if _, reliable := watcher.Current(); reliable != want {
			t.Errorf("after %v: reliable is %v", elapsed, reliable)
		}
	}
	watcher.now = func() time.Time { return start }
	watcher.hold(Read(policyAt(1, 1)), &pb.Freshness{Ttl: durationpb.New(0)})
	if _, reliable := watcher.Current(); reliable {
		t.Error("the policy's own validity is used up")
	}
}

func TestTheBackoffDoublesUpToItsLimit(t *testing.T) {
	watcher := NewWatcher(nil)
	watcher.uniform = func(_, high time.Duration) time.Duration { return high }
	for failures, want := range map[int]time.Duration{0: 250, 1: 500, 4: 4000, 5: 5000, 1000: 5000} {
		got := watcher.delayBeforeNext(failures, 0, status.Error(codes.Unavailable, ""))
		if got != want*time.Millisecond {
			t.Errorf("after %d failures: up to %v", failures, got)
		}
	}
}
