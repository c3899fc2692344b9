// Runs cases concurrently, each under its own deadline. A case panics through `Run` when its claim
// does not hold; nothing here knows Kafka.
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	caseDeadline = 60 * time.Second
	waitLimit    = 30 * time.Second
	pollInterval = 20 * time.Millisecond
	workers      = 12
)

// testCase is a claim about the broker and the function that checks it.
type testCase struct {
	name string
	body func(*Run)
}

// Run is where a case works: the broker's address, a deadline, and names nobody else uses.
type Run struct {
	ctx       context.Context
	bootstrap string
	prefix    string
	cleanups  []func()
	note      string // for the reason of a failure
}

// failure is what a case panics with; every other panic is a bug in the case and is reported too.
type failure string

// name returns a topic or group name that belongs to this case alone.
func (r *Run) name(suffix string) string {
	if suffix == "" {
		return r.prefix
	}
	return r.prefix + "-" + suffix
}

// atEnd calls `cleanup` when the case is over, whatever its outcome.
func (r *Run) atEnd(cleanup func()) { r.cleanups = append(r.cleanups, cleanup) }

func (r *Run) fail(format string, values ...any) { panic(failure(fmt.Sprintf(format, values...))) }

// must ends the case unless err is nil.
func (r *Run) must(err error, what string) {
	if err != nil {
		r.fail("%s: %v", what, err)
	}
}

// claim ends the case unless the claim holds.
func (r *Run) claim(holds bool, format string, values ...any) {
	if !holds {
		r.fail(format, values...)
	}
}

// equal claims that two values are deeply equal and shows both when they are not.
func (r *Run) equal(actual, expected any, what string) {
	if !reflect.DeepEqual(actual, expected) {
		r.fail("%s: expected %v, found %v", what, shown(expected), shown(actual))
	}
}

func shown(value any) string {
	text := fmt.Sprintf("%+v", value)
	if len(text) > 400 {
		text = text[:400] + "..."
	}
	return text
}

// eventually polls `probe` until it is true and fails the case when that takes too long.
func (r *Run) eventually(probe func() bool, what func() string) {
	limit := time.After(waitLimit)
	for !probe() {
		select {
		case <-limit:
			r.fail("not within %v: %s", waitLimit, what())
		case <-r.ctx.Done():
			r.fail("the case's deadline passed while waiting: %s", what())
		case <-time.After(pollInterval):
		}
	}
}

// seed returns the seed of a case's random choices, SEED in the environment or a new one, which is
// printed when the case fails.
func (r *Run) seed() int64 {
	seed, err := strconv.ParseInt(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = time.Now().UnixNano()
	}
	r.note = fmt.Sprintf(" (SEED=%d)", seed)
	return seed
}

func text(s string) func() string { return func() string { return s } }

// outcome runs one case and returns the reason of its failure, or "".
func outcome(body func(*Run), run *Run) (reason string) {
	defer func() {
		if caught := recover(); caught != nil {
			reason = strings.Join(strings.Fields(fmt.Sprint(caught)), " ") + run.note
		}
		for _, cleanup := range run.cleanups {
			cleanup()
		}
	}()
	body(run)
	return ""
}

// timed runs one case; a case that ignores its context is given up after a grace period.
func timed(item testCase, bootstrap, prefix string) string {
	ctx, cancel := context.WithTimeout(context.Background(), caseDeadline)
	defer cancel()
	done := make(chan string, 1)
	go func() {
		done <- outcome(item.body, &Run{ctx: ctx, bootstrap: bootstrap, prefix: prefix})
	}()
	select {
	case reason := <-done:
		return reason
	case <-time.After(caseDeadline + 5*time.Second):
		return fmt.Sprintf("still running after %v", caseDeadline)
	}
}

// runCases prints a line per case and returns the exit code. CASES in the environment restricts
// the run to names that contain it, for a developer at work.
func runCases(client string, cases []testCase) int {
	bootstrap, runID := os.Getenv("BOOTSTRAP"), os.Getenv("RUN_ID")
	if bootstrap == "" || runID == "" {
		fmt.Fprintln(os.Stderr, "BOOTSTRAP and RUN_ID must be set")
		return 2
	}
	todo := make(chan testCase, len(cases))
	for _, item := range cases {
		if strings.Contains(item.name, os.Getenv("CASES")) {
			todo <- item
		}
	}
	close(todo)
	var lock sync.Mutex
	var group sync.WaitGroup
	passed, failed := 0, 0
	for range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for item := range todo {
				reason := timed(item, bootstrap, runID+"-"+client+"-"+item.name)
				lock.Lock()
				if reason == "" {
					passed++
					fmt.Println("ok " + item.name)
				} else {
					failed++
					fmt.Printf("FAILED %s: %s\n", item.name, reason)
				}
				lock.Unlock()
			}
		}()
	}
	group.Wait()
	fmt.Printf("%s: %d passed, %d failed\n", client, passed, failed)
	if passed == 0 || failed != 0 {
		return 1
	}
	return 0
}
