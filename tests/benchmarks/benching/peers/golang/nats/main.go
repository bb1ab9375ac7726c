// NATS as it comes, in this process: a publication reaches whoever is subscribed, and is kept nowhere.
package main

import (
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"meta-strategy-controller/benchmarks/peers/line"
)

const (
	subject     = "policy"
	readyWithin = 10 * time.Second
)

func main() {
	_, value, err := line.Start()
	if err != nil {
		line.Fail(err)
	}
	broker, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true})
	if err != nil {
		line.Fail(err)
	}
	go broker.Start()
	if !broker.ReadyForConnections(readyWithin) {
		line.Fail(fmt.Errorf("NATS was not ready within %s", readyWithin))
	}
	publisher, err := nats.Connect("", nats.InProcessServer(broker))
	if err != nil {
		line.Fail(err)
	}
	line.Serve(broker.Addr().(*net.TCPAddr).Port, func() error {
		if err := publisher.Publish(subject, value.Next()); err != nil {
			return err
		}
		return publisher.Flush()
	})
}
