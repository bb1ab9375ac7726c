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
	"google.golang.org/grpc/credentials"
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

// dial speaks TLS where MSC_TLS_CA names a CA, and shows the token in MSC_TOKEN.
func dial(target string) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if ca := os.Getenv("MSC_TLS_CA"); ca != "" {
		trusting, err := credentials.NewClientTLSFromFile(ca, os.Getenv("MSC_TLS_SERVER_NAME"))
		if err != nil {
			return nil, err
		}
		transport = trusting
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	}
	if token := os.Getenv("MSC_TOKEN"); token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	return grpc.NewClient(target, options...)
}

// bearer is a token that goes with each call. On this machine it may travel unencrypted.
type bearer string

func (token bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(token)}, nil
}

func (token bearer) RequireTransportSecurity() bool { return false }

func run(target string, once bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	connection, err := dial(target)
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
