// Command probe is both sides of ci/kind/prove: `probe serve` answers every request with the name of its pod, and
// `probe ask URL` asks until it is answered. `probe keep PATH` writes a file and reads it back. What came of it is
// printed, and is the pod's termination message.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

// Where a pod leaves its last words.
const message = "/dev/termination-log"

// Within this, every part of a cluster that has just come up must work.
const patience = time.Minute

func main() {
	log.SetFlags(0)
	said, err := run(os.Args[1:])
	if err == nil && said == "" {
		err = errors.New("it went well, and nothing was said")
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(said)
	if err := os.WriteFile(message, []byte(said), 0o644); err != nil {
		log.Fatal(err)
	}
}

func run(arguments []string) (string, error) {
	switch {
	case len(arguments) == 1 && arguments[0] == "serve":
		return "", http.ListenAndServe(":8080", http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			name, _ := os.Hostname()
			fmt.Fprintf(answer, "hello from %s\n", name)
		}))
	case len(arguments) == 2 && arguments[0] == "ask":
		return ask(arguments[1])
	case len(arguments) == 2 && arguments[0] == "keep":
		if err := os.WriteFile(arguments[1], []byte("kept\n"), 0o644); err != nil {
			return "", err
		}
		kept, err := os.ReadFile(arguments[1])
		return string(kept), err
	}
	return "", fmt.Errorf("usage: probe serve | ask URL | keep PATH, not %q", arguments)
}

// ask tries again while the name is not known or the connection is refused: kube-proxy follows within a second.
func ask(url string) (string, error) {
	within, end := context.WithTimeout(context.Background(), patience)
	defer end()
	client := http.Client{Timeout: 5 * time.Second}
	for {
		answer, err := client.Get(url)
		if err == nil {
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			return string(body), err
		}
		select {
		case <-within.Done():
			return "", fmt.Errorf("no answer within %s: %w", patience, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
