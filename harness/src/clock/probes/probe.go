// A Go program that says what its clocks say and when its timers go off.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	begun := time.Now()
	say := func(what string) {
		now := time.Now()
		fmt.Printf("%s wall=%d elapsed=%d\n", what, now.UnixNano(), now.Sub(begun).Nanoseconds())
	}
	asked := make(chan os.Signal, 16)
	signal.Notify(asked, syscall.SIGUSR1)

	timer := time.NewTimer(15 * time.Minute)
	ticker := time.NewTicker(time.Minute)
	deadline, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	time.AfterFunc(14*time.Minute, func() { say("func") })
	// Until a moment, not for a while: this may begin only after time was moved for the first time.
	go func() {
		time.Sleep(time.Until(begun.Add(13 * time.Minute)))
		say("slept")
	}()
	// A goroutine that always looks: it would see time go back.
	go func() {
		last := time.Now()
		for {
			now := time.Now()
			if now.Before(last) || now.Round(0).Before(last.Round(0)) {
				say("BACKWARDS")
			}
			last = now
			time.Sleep(50 * time.Microsecond)
		}
	}()
	say("begin")
	done := deadline.Done()
	for {
		select {
		case <-asked:
			say("asked")
		case <-timer.C:
			say("timer")
		case <-ticker.C:
			say("tick")
		case <-done:
			say("deadline")
			done = nil
		}
	}
}
