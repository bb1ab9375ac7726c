package mscclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "meta-strategy-controller/generated/go/msc_policy/v1"
)

// Timing holds the client's timers. DefaultTiming has the contract's numbers.
type Timing struct {
	FirstMessage time.Duration // longest wait for the first message of a stream
	BackoffFloor time.Duration // shortest wait before a new stream
	BackoffBase  time.Duration // longest wait after the first failure; doubles with each one
	BackoffMax   time.Duration // longest wait ever
	HealthyAfter time.Duration // a stream that lived this long starts the backoff anew
	Denied       time.Duration // shortest wait after a refusal that waiting will hardly cure; longest is twice that
	LastGoodMax  time.Duration // age after which the last known good policy allows no entries
}

// DefaultTiming is what the authority is built for.
var DefaultTiming = Timing{
	FirstMessage: 10 * time.Second,
	BackoffFloor: 50 * time.Millisecond,
	BackoffBase:  250 * time.Millisecond,
	BackoffMax:   5 * time.Second,
	HealthyAfter: 60 * time.Second,
	Denied:       30 * time.Second,
	LastGoodMax:  900 * time.Second,
}

// ErrRefused is what OnProblem hears when a snapshot was not applied. The policy before it stays.
var ErrRefused = errors.New("snapshot refused")

// Get returns the current policy, read once.
func Get(ctx context.Context, connection grpc.ClientConnInterface) (Policy, error) {
	answer, err := pb.NewPolicyAuthorityClient(connection).GetPolicy(ctx, &pb.GetPolicyRequest{})
	if err != nil {
		return Policy{}, err
	}
	return Read(answer.GetPolicy()), nil
}

// Watcher follows the policy over reconnects. Set the fields before Run; only Client must be set.
type Watcher struct {
	Client    *pb.ClientInfo
	Timing    Timing
	OnPolicy  func(Policy) // called after each applied policy, on the goroutine of Run
	OnProblem func(error)  // called for each ended stream and each refused snapshot

	// Time and chance, replaced by tests.
	now     func() time.Time
	wait    func(context.Context, time.Duration) error
	uniform func(low, high time.Duration) time.Duration

	held atomic.Pointer[held]
}

type held struct {
	policy    Policy
	confirmed time.Time
	age       time.Duration // age of the confirmation when it came
	ttl       time.Duration // what was left of the policy's own validity then
}

// NewWatcher returns a watcher with the contract's timers.
func NewWatcher(client *pb.ClientInfo) *Watcher {
	return &Watcher{
		Client:    client,
		Timing:    DefaultTiming,
		OnPolicy:  func(Policy) {},
		OnProblem: func(error) {},
		now:       time.Now,
		wait:      waitFor,
		uniform:   uniform,
	}
}

// Current returns the last applied policy and whether entries may rely on it. It never blocks. Without a policy, after
// LastGoodMax without confirmation, or past the policy's own validity, they may not; exits always may.
func (w *Watcher) Current() (policy Policy, reliable bool) {
	held := w.held.Load()
	if held == nil {
		return Policy{}, false
	}
	elapsed := w.now().Sub(held.confirmed)
	return held.policy, elapsed+held.age <= w.Timing.LastGoodMax && elapsed < held.ttl
}

// Run follows the policy until ctx ends, and returns ctx's error. Any end of a stream leads to a new one.
func (w *Watcher) Run(ctx context.Context, connection grpc.ClientConnInterface) error {
	stub := pb.NewPolicyAuthorityClient(connection)
	for failures := 0; ; failures++ {
		opened := w.now()
		delay, err := w.follow(ctx, stub)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.OnProblem(err)
		if w.now().Sub(opened) >= w.Timing.HealthyAfter {
			failures = 0
		}
		if err := w.wait(ctx, w.delayBeforeNext(failures, delay, err)); err != nil {
			return err
		}
	}
}

func (w *Watcher) delayBeforeNext(failures int, goodbye time.Duration, err error) time.Duration {
	if goodbye > 0 {
		return w.uniform(0, goodbye)
	}
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.Unimplemented:
		return w.uniform(w.Timing.Denied, 2*w.Timing.Denied)
	}
	limit := w.Timing.BackoffMax
	if grown := w.Timing.BackoffBase << min(failures, 16); grown < limit {
		limit = grown
	}
	return w.uniform(w.Timing.BackoffFloor, limit)
}

// follow reads one stream to its end. The duration is the wait a Goodbye asked for.
func (w *Watcher) follow(ctx context.Context, stub pb.PolicyAuthorityClient) (time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := w.Timing.FirstMessage
	watchdog := time.AfterFunc(silence, func() { cancel(fmt.Errorf("watchdog: silent %s", silence)) })
	defer watchdog.Stop()
	stream, err := stub.WatchPolicy(ctx, w.request(), grpc.WaitForReady(true))
	if err != nil {
		return 0, causeOr(ctx, err)
	}
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return 0, status.Error(codes.Unavailable, "stream ended")
		}
		if err != nil {
			return 0, causeOr(ctx, err)
		}
		if interval := message.GetInfo().GetHeartbeatInterval().AsDuration(); interval > 0 {
			silence = 3*interval + time.Second
		}
		watchdog.Reset(silence)
		if goodbye := message.GetGoodbye(); goodbye != nil {
			return goodbye.GetReconnectAfter().AsDuration(), fmt.Errorf("goodbye: %s", goodbye.GetReason())
		}
		if missed := w.take(message); missed {
			return 0, fmt.Errorf("missed version %d", message.GetHead().GetVersion())
		}
	}
}

func (w *Watcher) request() *pb.WatchPolicyRequest {
	request := &pb.WatchPolicyRequest{Client: w.Client}
	if held := w.held.Load(); held != nil {
		request.Known = held.policy.Ref.wire()
	}
	return request
}

// take applies or confirms. It tells whether the head is ahead of what is held although no snapshot came.
func (w *Watcher) take(message *pb.WatchPolicyResponse) (missed bool) {
	held, head := w.held.Load(), refOf(message.GetHead())
	if snapshot := message.GetSnapshot(); snapshot != nil {
		w.apply(held, Read(snapshot.GetPolicy()), message.GetFreshness())
		return false
	}
	if held == nil {
		return false
	}
	if head == held.policy.Ref {
		w.hold(held.policy, message.GetFreshness())
	}
	return message.GetHeartbeat() != nil && held.policy.Ref.Before(head)
}

func (w *Watcher) apply(held *held, policy Policy, freshness *pb.Freshness) {
	if policy.Ref.Version == 0 {
		w.OnProblem(fmt.Errorf("%w: it has no version", ErrRefused))
		return
	}
	if held != nil && policy.Ref.Before(held.policy.Ref) {
		w.OnProblem(fmt.Errorf("%w: %v is older than %v", ErrRefused, policy.Ref, held.policy.Ref))
		return
	}
	if held != nil && policy.Ref.sameRevision(held.policy.Ref) && policy.Ref != held.policy.Ref {
		w.OnProblem(fmt.Errorf("%w: %v came with two contents", ErrRefused, policy.Ref))
		return
	}
	w.hold(policy, freshness)
	w.OnPolicy(policy)
}

func (w *Watcher) hold(policy Policy, freshness *pb.Freshness) {
	w.held.Store(&held{
		policy:    policy,
		confirmed: w.now(),
		age:       freshness.GetReplicaAge().AsDuration(),
		ttl:       freshness.GetTtl().AsDuration(),
	})
}

func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func waitFor(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func uniform(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + rand.N(high-low)
}
