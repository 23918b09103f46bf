// The network of pods in a node image: Go's library and nothing else.
module catnap/kind/pod-network

go 1.24.0
