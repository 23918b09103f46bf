//! What Go's output means when it fails.

use std::sync::LazyLock;

use regex::Regex;

/// The reasons for which `go list` and `go build` fail that a user can do something about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Complaint {
    /// A module differs from its checksum.
    Checksum { module: String, detail: String },
    /// A module cannot be downloaded.
    Network { module: String, detail: String },
    /// No space left on a device.
    DiskFull { detail: String },
    /// A compiler or linker was killed.
    Killed { detail: String },
    /// Go is too old for the sources and cannot or may not fetch a newer one.
    TooOld { detail: String },
    /// A folder of Go's cannot be written.
    Unwritable { detail: String },
    /// Anything else, such as an error in the code.
    Other,
}

/// Words of the network code of Go and of module proxies. A status such as `403 Forbidden` counts as well: whatever
/// the proxy says, the module cannot be had from it.
const NETWORK: [&str; 20] = [
    "dial tcp",
    "dial udp",
    "no such host",
    "i/o timeout",
    "connection refused",
    "connection reset",
    "network is unreachable",
    "no route to host",
    "TLS handshake timeout",
    "tls: ",
    "x509: ",
    "proxyconnect",
    "server misbehaving",
    "unexpected EOF",
    "module lookup disabled by GOPROXY=off",
    "server response:",
    "Client.Timeout exceeded",
    "Bad Gateway",
    "Service Unavailable",
    "Forbidden",
];

static MODULE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"([A-Za-z0-9][\w.~!/-]*\.[\w.~!/-]*)@(v[0-9][\w.+-]*)").expect("a valid expression"));
static DOWNLOADING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^go: downloading (\S+) (v\S+)").expect("a valid expression"));

/// Finds the reason in what Go printed.
pub(super) fn read(output: &str) -> Complaint {
    let line = |words: &[&str]| {
        output.lines().rfind(|line| words.iter().any(|word| line.contains(word))).map(|line| line.trim().to_owned())
    };
    // Full disks first: they make everything else fail too.
    if let Some(detail) = line(&["no space left on device", "disk quota exceeded"]) {
        return Complaint::DiskFull { detail };
    }
    if let Some(start) = output.find("checksum mismatch") {
        let begin = output[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let lines: Vec<_> = output[begin..].lines().take_while(|line| !line.trim().is_empty()).collect();
        return Complaint::Checksum { module: module_in(lines[0]).unwrap_or_default(), detail: lines.join("\n") };
    }
    if let Some(detail) = line(&["SECURITY ERROR"]) {
        return Complaint::Checksum { module: module_in(output).unwrap_or_else(|| "a module".to_owned()), detail };
    }
    // Before the network: a toolchain that cannot be downloaded is first of all a Go that is too old.
    if let Some(detail) = line(&["requires go >=", "requires go1", "toolchain not available", "golang.org/toolchain@"])
    {
        return Complaint::TooOld { detail };
    }
    if let Some(detail) = line(&["signal: killed", "cannot allocate memory", "out of memory"]) {
        return Complaint::Killed { detail };
    }
    if let Some(detail) = line(&NETWORK) {
        let module = module_in(&detail).or_else(|| last_download(output)).unwrap_or_else(|| "a module".to_owned());
        // Most often Go begins with the module, and so will whoever shows this.
        let detail = detail.trim_start_matches("go: ").trim_start_matches(&format!("{module}: ")).to_owned();
        return Complaint::Network { module, detail };
    }
    if let Some(detail) = line(&["permission denied", "read-only file system"]) {
        return Complaint::Unwritable { detail };
    }
    Complaint::Other
}

/// The last module that a line names as `path@version`.
fn module_in(text: &str) -> Option<String> {
    MODULE.find_iter(text).last().map(|found| found.as_str().trim_end_matches(':').to_owned())
}

/// Some failures name no module; then it is the one whose download began last.
fn last_download(output: &str) -> Option<String> {
    DOWNLOADING.captures_iter(output).last().map(|found| format!("{}@{}", &found[1], &found[2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_cannot_be_found_is_a_network_failure_of_its_module() {
        let output = "go: downloading go.etcd.io/etcd/server/v3 v3.6.16\n\
            go.etcd.io/etcd/server/v3@v3.6.16: Get \"https://proxy.golang.org/go.etcd.io/etcd/server/v3/@v/v3.6.16.zip\": \
            dial tcp: lookup proxy.golang.org on 127.0.0.53:53: no such host\n";
        let Complaint::Network { module, detail } = read(output) else { panic!("{:?}", read(output)) };
        assert_eq!(module, "go.etcd.io/etcd/server/v3@v3.6.16");
        assert!(detail.ends_with("no such host"));
    }

    #[test]
    fn a_failure_that_names_no_module_is_of_the_last_download() {
        let output =
            "go: downloading github.com/Azure/karpenter-provider-azure v1.7.1\nmodule lookup disabled by GOPROXY=off\n";
        let Complaint::Network { module, .. } = read(output) else { panic!("{:?}", read(output)) };
        assert_eq!(module, "github.com/Azure/karpenter-provider-azure@v1.7.1");
    }

    #[test]
    fn a_proxy_that_refuses_is_a_network_failure() {
        let output = "go: k8s.io/kubernetes@v1.34.4: reading https://proxy.example/k8s.io/kubernetes/@v/v1.34.4.mod: 403 Forbidden\n";
        assert!(matches!(read(output), Complaint::Network { module, .. } if module == "k8s.io/kubernetes@v1.34.4"));
    }

    #[test]
    fn a_checksum_mismatch_keeps_both_sums() {
        let output = "go: downloading github.com/beorn7/perks v1.0.1\n\
            verifying github.com/beorn7/perks@v1.0.1: checksum mismatch\n\tdownloaded: h1:VlbK=\n\tgo.sum:     h1:AAAA=\n\n\
            SECURITY ERROR\nThis download does NOT match an earlier download recorded in go.sum.\n";
        let Complaint::Checksum { module, detail } = read(output) else { panic!("{:?}", read(output)) };
        assert_eq!(module, "github.com/beorn7/perks@v1.0.1");
        assert!(detail.contains("h1:VlbK=") && detail.contains("h1:AAAA=") && !detail.contains("SECURITY"));
    }

    #[test]
    fn an_old_go_is_named_even_when_its_successor_cannot_be_downloaded() {
        for output in [
            "go: go.mod requires go >= 1.26.0 (running go 1.24.1; GOTOOLCHAIN=local)\n",
            "go: download go1.26.0 for linux/amd64: toolchain not available\n",
            "go: download go1.26.0: golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64: Get \"https://p/\": dial tcp: no such host\n",
        ] {
            assert!(matches!(read(output), Complaint::TooOld { .. }), "{output}");
        }
    }

    #[test]
    fn a_full_disk_outweighs_what_follows_from_it() {
        let output = "k8s.io/api/core/v1\n# k8s.io/api/core/v1\ncompile: writing output: write $WORK/b1/_pkg_.a: no space left on device\n\
            unexpected EOF\n";
        assert!(matches!(read(output), Complaint::DiskFull { .. }));
    }

    #[test]
    fn a_killed_linker_is_not_taken_for_an_error_in_the_code() {
        let output =
            "# k8s.io/kubernetes/cmd/kube-apiserver\n/usr/local/go/pkg/tool/linux_amd64/link: signal: killed\n";
        assert!(matches!(read(output), Complaint::Killed { .. }));
    }

    #[test]
    fn a_read_only_folder_of_go_is_named() {
        let output = "go: could not create module cache: mkdir /ro/mod: permission denied\n";
        assert!(matches!(read(output), Complaint::Unwritable { detail } if detail.contains("/ro/mod")));
    }

    #[test]
    fn an_error_in_the_code_is_none_of_these() {
        assert_eq!(read("# example.com/a\n./a.go:1:2: undefined: x\n"), Complaint::Other);
        assert_eq!(read(""), Complaint::Other);
    }
}
