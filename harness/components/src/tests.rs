//! The store as a whole, with a shell script in the place of Go.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncReadExt;

use super::*;

/// Answers as Go does when all is well. `{folder}` holds what it wrote down.
const WORKS: &str = r#"
echo "$*" >> {folder}/calls
env > {folder}/environment
case $1 in
env) echo '{"GOVERSION":"go1.26.8","GOTOOLCHAIN":"local","GOPROXY":"https://proxy.example","GOCACHE":"{folder}/b","GOMODCACHE":"{folder}/m"}' ;;
list) echo "go: downloading a.example/a v1.0.0" >&2; echo a.example/a; echo b.example/b ;;
build)
  echo a.example/a >&2; echo b.example/b >&2
  while [ "$1" != -o ]; do shift; done
  case $2 in
  */) for name in kube-apiserver kube-controller-manager kube-scheduler kubectl; do echo program > "$2$name"; chmod +x "$2$name"; done ;;
  *) echo program > "$2"; chmod +x "$2" ;;
  esac ;;
mod) mkdir -p {folder}/module/pkg/apis/crds; echo 'kind: CustomResourceDefinition' > {folder}/module/pkg/apis/crds/nodepools.yaml
  echo '{"Path":"x","Dir":"{folder}/module"}' ;;
esac
"#;

/// A machine with a cache and a Go of its own.
struct Bench {
    folder: tempfile::TempDir,
    options: StoreOptions,
}

impl Bench {
    fn new(go: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("go");
        // Written by another process: one that is forked meanwhile would hold it open, and "text file busy" result.
        let script = format!("#!/bin/sh\n{}", go.replace("{folder}", &folder.path().to_string_lossy()));
        std::fs::write(folder.path().join("script"), script).unwrap();
        let copied = std::process::Command::new("cp").arg(folder.path().join("script")).arg(&path).status().unwrap();
        assert!(copied.success());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let options =
            StoreOptions { cache: Some(folder.path().join("cache")), go: Some(path), ..StoreOptions::default() };
        Self { folder, options }
    }

    /// A Go that works except that `case` comes first.
    fn failing(case: &str) -> Self {
        Self::new(&format!("case $1 in {case} esac\n{WORKS}"))
    }

    fn store(&self) -> Store {
        Store::open(self.options.clone()).unwrap()
    }

    async fn resolve(&self) -> Result<Binaries, ComponentError> {
        self.store().resolve(&Versions::default(), |_| {}).await
    }

    async fn error(&self) -> String {
        self.resolve().await.unwrap_err().to_string()
    }

    fn said(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }

    fn scratch(&self) -> Vec<PathBuf> {
        let scratch = self.folder.path().join("cache/scratch");
        std::fs::read_dir(scratch).into_iter().flatten().flatten().map(|item| item.path()).collect()
    }
}

#[tokio::test]
async fn what_is_missing_is_built_once_and_found_in_the_cache_from_then_on() {
    let bench = Bench::new(WORKS);
    let built = bench.resolve().await.unwrap();
    assert!(built.sources.values().all(|source| *source == Source::Built));
    assert_eq!(std::fs::read_to_string(&built.kube_scheduler).unwrap(), "program\n");
    assert!(built.crds.join("nodepools.yaml").is_file());
    assert!(built.kubectl.is_some());
    let calls = bench.said("calls").lines().count();
    let again = bench.resolve().await.unwrap();
    assert!(again.sources.values().all(|source| *source == Source::Cache));
    assert_eq!(again.karpenter, built.karpenter);
    assert_eq!(bench.said("calls").lines().count(), calls, "Go was called although nothing was missing");
    assert_eq!(bench.scratch(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn progress_ends_with_every_component_built() {
    let bench = Bench::new(WORKS);
    let heard = Mutex::new(Vec::new());
    bench.store().resolve(&Versions::default(), |progress| heard.lock().push(progress)).await.unwrap();
    let heard = heard.into_inner();
    for component in Component::ALL {
        let stages: Vec<_> = heard.iter().filter(|news| news.component == component).map(|news| &news.stage).collect();
        assert!(stages.iter().any(|stage| matches!(stage, Stage::Downloading { modules: 1, .. })), "{stages:?}");
        assert!(stages.iter().any(|stage| matches!(stage, Stage::Compiling { done: 1, total: 2, .. })), "{stages:?}");
        assert!(stages.contains(&&Stage::Linking), "{stages:?}");
        assert_eq!(stages.last(), Some(&&Stage::Done { source: Source::Built }));
    }
}

#[tokio::test]
async fn settings_for_other_projects_do_not_reach_the_build() {
    let bench = Bench::new(WORKS);
    bench.resolve().await.unwrap();
    let environment = bench.said("environment");
    for setting in ["GOFLAGS=-mod=readonly", "GOWORK=off", "GO111MODULE=on", "CGO_ENABLED=0", "GOTMPDIR="] {
        assert!(environment.lines().any(|line| line.starts_with(setting)), "{setting} is not in\n{environment}");
    }
}

#[tokio::test]
async fn a_provisioner_of_ones_own_needs_only_the_crds() {
    let mut bench = Bench::new(WORKS);
    bench.options = bench.options.clone().provisioner("/bin/sh");
    let binaries = bench.resolve().await.unwrap();
    assert_eq!(binaries.karpenter, PathBuf::from("/bin/sh"));
    assert_eq!(binaries.sources[&Program::Karpenter], Source::Given);
    assert!(binaries.crds.join("nodepools.yaml").is_file());
    assert!(!bench.said("calls").contains("cmd/controller"));
}

#[tokio::test]
async fn with_everything_given_nothing_is_looked_for() {
    let mut bench = Bench::new("exit 1");
    std::fs::write(bench.folder.path().join("nodepools.yaml"), "").unwrap();
    bench.options.crds = Some(bench.folder.path().to_owned());
    for program in Program::ALL {
        bench.options = bench.options.clone().program(program, "/bin/sh", program.variable());
    }
    let versions = Versions { kubernetes: "1.99.0".to_owned(), ..Versions::default() };
    let binaries = bench.store().resolve(&versions, |_| {}).await.unwrap();
    assert!(binaries.sources.values().all(|source| *source == Source::Given));
    assert!(!bench.folder.path().join("cache").exists());
}

#[tokio::test]
async fn without_go_the_error_says_which_is_needed_and_what_else_helps() {
    let mut bench = Bench::new(WORKS);
    bench.options.go = None;
    bench.options.search = Some("/nowhere".into());
    let text = bench.error().await;
    for part in ["Go 1.26.0 or later", "https://go.dev/dl/", "CATNAP_KUBE_APISERVER", "CATNAP_CACHE", "etcd 3.6.16"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn a_go_that_is_too_old_is_refused_before_anything_is_built() {
    let bench = Bench::failing(r#"env) echo '{"GOVERSION":"go1.24.1","GOTOOLCHAIN":"local"}'; exit 0 ;;"#);
    let text = bench.error().await;
    assert!(text.contains("is Go 1.24.1, Go 1.26.0 or later is needed (GOTOOLCHAIN=local)"), "{text}");
    assert!(!bench.folder.path().join("cache").exists());
}

#[tokio::test]
async fn without_a_network_the_error_names_the_module_and_what_is_cached() {
    let bench = Bench::failing(
        r#"list) case $* in *etcd*) ;; *)
        echo 'k8s.io/kubernetes@v1.34.4: Get "https://p/": dial tcp: lookup p: no such host' >&2; exit 1 ;; esac ;;"#,
    );
    bench.store().fetch(&[(Component::Etcd, "3.6.16".to_owned())], |_| {}).await.unwrap();
    let text = bench.error().await;
    for part in ["k8s.io/kubernetes@v1.34.4", "no such host", "https://proxy.example", "etcd 3.6.16"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(bench.scratch(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_module_that_is_not_the_pinned_one_is_refused() {
    let bench = Bench::failing(
        r#"list) printf 'verifying a.example/a@v1.0.0: checksum mismatch\n\tdownloaded: h1:B=\n\tgo.sum:     h1:A=\n\nSECURITY ERROR\n' >&2; exit 1 ;;"#,
    );
    let error = bench.resolve().await.unwrap_err();
    assert!(matches!(&error, ComponentError::Checksum { module, .. } if module == "a.example/a@v1.0.0"), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_told_with_the_folders_in_question() {
    let bench = Bench::failing("build) echo 'write $WORK/b001/_pkg_.a: no space left on device' >&2; exit 1 ;;");
    let text = bench.error().await;
    for part in ["no space left", "CATNAP_CACHE", "GOCACHE", "GOMODCACHE", "free"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn a_build_that_fails_otherwise_shows_its_end_and_keeps_its_output() {
    let bench = Bench::failing("build) echo a/b >&2; echo '# a/b' >&2; echo 'x.go:1: undefined: y' >&2; exit 1 ;;");
    let ComponentError::BuildFailed { log, tail, .. } = bench.resolve().await.unwrap_err() else {
        panic!("another error")
    };
    assert_eq!(tail, "# a/b\nx.go:1: undefined: y");
    assert!(std::fs::read_to_string(log).unwrap().contains("a/b\n# a/b\n"));
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_named() {
    let mut bench = Bench::new(WORKS);
    bench.options.cache = Some(bench.folder.path().join("script/cache"));
    let text = bench.error().await;
    assert!(text.contains("script/cache") && text.contains("CATNAP_CACHE"), "{text}");
}

#[tokio::test]
async fn a_damaged_program_is_refused() {
    let bench = Bench::new(WORKS);
    let binaries = bench.resolve().await.unwrap();
    std::fs::write(&binaries.etcd, "something else").unwrap();
    let text = bench.error().await;
    assert!(text.contains("catnap components clean etcd@3.6.16"), "{text}");
    bench.store().clean(&Selection::Version(Component::Etcd, "3.6.16".to_owned())).unwrap();
    assert_eq!(bench.resolve().await.unwrap().sources[&Program::Etcd], Source::Built);
}

#[tokio::test]
async fn of_two_at_the_same_time_one_builds_and_the_other_waits() {
    // The build goes on until somebody waits for it.
    let bench = Bench::failing("build) while [ ! -e {folder}/go-on ]; do sleep 0.02; done ;;");
    let wanted = [(Component::Etcd, "3.6.16".to_owned())];
    let waited = AtomicUsize::new(0);
    let progress = |progress: Progress| {
        if let Stage::WaitingForOther { process } = progress.stage {
            assert_eq!(process, Some(std::process::id()));
            waited.fetch_add(1, Ordering::Relaxed);
            std::fs::write(bench.folder.path().join("go-on"), "").unwrap();
        }
    };
    let (one, other) = (bench.store(), bench.store());
    let (one, other) = tokio::join!(one.fetch(&wanted, progress), other.fetch(&wanted, progress));
    let mut sources = [one.unwrap()[0].2, other.unwrap()[0].2];
    sources.sort_by_key(|source| *source == Source::Built);
    assert_eq!(sources, [Source::Cache, Source::Built]);
    assert!(waited.load(Ordering::Relaxed) > 0);
    assert_eq!(bench.said("calls").lines().filter(|call| call.starts_with("build ")).count(), 1);
}

#[tokio::test]
async fn a_build_that_is_called_off_leaves_nothing_behind_and_can_be_begun_again() {
    let bench =
        Bench::failing("build) [ -e {folder}/go-on ] || { exec 3>{folder}/fifo; echo >&3; sleep 60 & wait; } ;;");
    let fifo = bench.folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut fifo = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&fifo).unwrap();
    let wanted = [(Component::Etcd, "3.6.16".to_owned())];
    let store = bench.store();
    tokio::select! {
        _ = store.fetch(&wanted, |_| {}) => panic!("it was to take longer"),
        // The first byte comes from the build.
        ready = fifo.readable() => ready.unwrap(),
    }
    let gone = async {
        // The pipe ends with the last process that has it open.
        fifo.read_to_end(&mut Vec::new()).await.unwrap();
        while !bench.scratch().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the build or its folder is still there");
    std::fs::write(bench.folder.path().join("go-on"), "").unwrap();
    assert_eq!(bench.store().fetch(&wanted, |_| {}).await.unwrap()[0].2, Source::Built);
}

#[tokio::test]
async fn the_doctor_tells_what_is_there_from_what_is_missing() {
    let mut bench = Bench::new(WORKS);
    bench.store().fetch(&[(Component::Etcd, "3.6.16".to_owned())], |_| {}).await.unwrap();
    let diagnose = async |bench: &Bench| {
        let findings = bench.store().diagnose(&Versions::default()).await;
        let state = |subject: &str| findings.iter().find(|finding| finding.subject == subject).unwrap().state;
        [state("etcd 3.6.16"), state("kubernetes 1.34.4"), state("Go"), state("cache")]
    };
    let states = diagnose(&bench).await;
    assert_eq!(states[..3], [State::Good, State::Note, State::Good]);
    assert_ne!(states[3], State::Bad);
    bench.options.go = None;
    bench.options.search = Some("/nowhere".into());
    assert_eq!(diagnose(&bench).await[..3], [State::Good, State::Bad, State::Bad]);
}
