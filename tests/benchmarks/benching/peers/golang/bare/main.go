// The bare server of the benchmarks in Go: one slot, one channel for each watcher, bytes that were made before.
package main

import (
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"meta-strategy-controller/benchmarks/peers/line"
)

type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(value any) (mem.BufferSlice, error) {
	message, ok := value.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("%T is not bytes", value)
	}
	return mem.BufferSlice{mem.SliceBuffer(*message)}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, value any) error {
	message, ok := value.(*[]byte)
	if !ok {
		return fmt.Errorf("%T is not bytes", value)
	}
	*message = data.Materialize()
	return nil
}

var _ encoding.CodecV2 = raw{}

type slot struct {
	mutex    sync.Mutex
	current  []byte
	watchers map[chan struct{}]struct{}
}

func (s *slot) publish(message []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.current = message
	for woken := range s.watchers {
		select {
		case woken <- struct{}{}:
		default:
		}
	}
}

func (s *slot) read() []byte {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.current
}

func (s *slot) watch(_ any, stream grpc.ServerStream) error {
	woken := make(chan struct{}, 1)
	s.mutex.Lock()
	s.watchers[woken] = struct{}{}
	s.mutex.Unlock()
	defer func() {
		s.mutex.Lock()
		delete(s.watchers, woken)
		s.mutex.Unlock()
	}()
	for {
		message := s.read()
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
		select {
		case <-woken:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func main() {
	_, value, err := line.Start()
	if err != nil {
		line.Fail(err)
	}
	slot := &slot{current: value.Bytes(), watchers: map[chan struct{}]struct{}{}}
	server := grpc.NewServer(grpc.ForceServerCodecV2(raw{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Bare",
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: "Watch", Handler: slot.watch, ServerStreams: true}},
	}, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		line.Fail(err)
	}
	go func() { line.Fail(server.Serve(listener)) }()
	line.Serve(listener.Addr().(*net.TCPAddr).Port, func() error {
		slot.publish(value.Next())
		return nil
	})
}
