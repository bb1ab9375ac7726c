// Command example prints the policy, and every later one: go run ./example [-target 127.0.0.1:7443] [-once]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/timestamppb"

	mscclient "meta-strategy-controller/clients/go"
	pb "meta-strategy-controller/generated/go/msc_policy/v1"
)

func main() {
	target := flag.String("target", "127.0.0.1:7443", "address of the authority")
	once := flag.Bool("once", false, "read the policy once and end")
	flag.Parse()
	if err := run(*target, *once); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(target string, once bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	connection, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	if once {
		deadline, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		policy, err := mscclient.Get(deadline, connection)
		if err != nil {
			return err
		}
		show(policy)
		return nil
	}
	started := time.Now()
	watcher := mscclient.NewWatcher(&pb.ClientInfo{
		InstanceId: fmt.Sprintf("go-example-%d-%d", os.Getpid(), started.Unix()),
		Name:       "go-example",
		Role:       pb.ClientRole_CLIENT_ROLE_OTHER,
		Sdk:        "go-example/0.1.0",
		StartedAt:  timestamppb.New(started),
	})
	watcher.OnPolicy = show
	watcher.OnProblem = func(err error) { fmt.Fprintln(os.Stderr, err) }
	if err := watcher.Run(ctx, connection); ctx.Err() == nil {
		return err
	}
	return nil
}

func show(policy mscclient.Policy) {
	fmt.Printf("epoch=%d version=%d risk_mode=%s trading_state=%s max_risk_per_trade=%g strategies=%d\n",
		policy.Ref.Epoch, policy.Ref.Version, policy.RiskMode, policy.TradingState, policy.MaxRiskPerTrade,
		len(policy.RiskMultiplier))
}
