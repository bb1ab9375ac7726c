// Package line speaks with the benchmark: lines of JSON in, lines of JSON out, and the end of the lines is the end.
package line

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Plan is what the benchmark asks of a peer.
type Plan struct {
	Frame string `json:"frame"`
	Home  string `json:"home"`
}

// Value is what is published: as many bytes as the frame, the last eight of which count.
type Value struct {
	frame  []byte
	number uint64
}

// Start reads the plan from the first argument.
func Start() (Plan, *Value, error) {
	var plan Plan
	if len(os.Args) < 2 {
		return plan, nil, fmt.Errorf("the plan is missing")
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &plan); err != nil {
		return plan, nil, fmt.Errorf("the plan: %w", err)
	}
	frame, err := hex.DecodeString(plan.Frame)
	if err != nil || len(frame) < 8 {
		return plan, nil, fmt.Errorf("the plan's frame must be at least eight bytes in hexadecimal digits")
	}
	return plan, &Value{frame: frame}, nil
}

// Bytes returns the present value.
func (v *Value) Bytes() []byte {
	message := append([]byte(nil), v.frame...)
	binary.BigEndian.PutUint64(message[len(message)-8:], v.number)
	return message
}

// Next returns the next value.
func (v *Value) Next() []byte {
	v.number++
	return v.Bytes()
}

// Serve says where watchers connect, and then publishes and stamps as it is told. It does not return.
func Serve(port int, publish func() error) {
	var published atomic.Int64
	say(map[string]any{"port": port})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var command map[string]any
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil {
			Fail(err)
		}
		if _, ok := command["publish"]; !ok {
			say(map[string]any{"published_ns": published.Load()})
			continue
		}
		published.Store(monotonic())
		if err := publish(); err != nil {
			Fail(err)
		}
	}
	os.Exit(0)
}

// Fail ends the process with a reason.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func say(document map[string]any) {
	line, err := json.Marshal(document)
	if err != nil {
		Fail(err)
	}
	fmt.Println(string(line))
}

// The same clock as Python's time.monotonic_ns.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		Fail(err)
	}
	return now.Nano()
}
