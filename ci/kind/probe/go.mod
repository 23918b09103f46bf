// What ci/kind/prove runs in a cluster: Go's library and nothing else.
module catnap/kind/probe

go 1.24.0
