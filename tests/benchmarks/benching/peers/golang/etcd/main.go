// etcd as it comes, one node in this process: a publication is a put, which is durable before it is watched.
package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"

	"meta-strategy-controller/benchmarks/peers/line"
)

const (
	key         = "policy"
	readyWithin = 30 * time.Second
)

func main() {
	plan, value, err := line.Start()
	if err != nil {
		line.Fail(err)
	}
	clients, err := url.Parse("http://127.0.0.1:0")
	if err != nil {
		line.Fail(err)
	}
	config := embed.NewConfig()
	config.Dir = filepath.Join(plan.Home, "etcd")
	config.LogLevel = "error"
	config.LogOutputs = []string{"stderr"}
	config.ListenClientUrls = []url.URL{*clients}
	config.ListenPeerUrls = []url.URL{*clients}
	server, err := embed.StartEtcd(config)
	if err != nil {
		line.Fail(err)
	}
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(readyWithin):
		line.Fail(fmt.Errorf("etcd was not ready within %s", readyWithin))
	}
	client := v3client.New(server.Server)
	put := func(message []byte) error {
		_, err := client.Put(context.Background(), key, string(message))
		return err
	}
	if err := put(value.Bytes()); err != nil {
		line.Fail(err)
	}
	line.Serve(portOf(server), func() error { return put(value.Next()) })
}

func portOf(server *embed.Etcd) int {
	var port int
	if _, err := fmt.Sscanf(server.Clients[0].Addr().String(), "127.0.0.1:%d", &port); err != nil {
		line.Fail(err)
	}
	return port
}
