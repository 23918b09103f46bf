//! What is there, what is missing, and what to do about it: the part of `catnap doctor` that is about components.

use serde::Serialize;

use super::cache::Part;
use super::entry::Look;
use super::go::Go;
use super::machine::{Parallelism, bytes, free_space};
use super::pin::Pin;
use super::store::Want;
use super::{Component, ComponentError, Machine, Program, Store, Versions};

/// What a cold build of every default component leaves in Go's caches and in ours.
pub(super) const NEEDED_SPACE: u64 = 8 << 30;

/// Whether something is as a lab needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Ready.
    Good,
    /// Not there, but catnap will see to it by itself; or worth knowing.
    Note,
    /// In the way.
    Bad,
}

/// One line of the doctor's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is about: `kubernetes 1.34.4`, `Go`.
    pub subject: String,
    /// How things stand.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What to do, unless all is well.
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn good(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { subject: subject.into(), state: State::Good, detail: detail.into(), remedy: None }
    }

    /// Worth knowing.
    #[must_use]
    pub fn note(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { state: State::Note, ..Self::good(subject, detail) }
    }

    /// In the way.
    #[must_use]
    pub fn bad(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { state: State::Bad, ..Self::good(subject, detail) }
    }

    /// With what to do about it.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    fn error(subject: impl Into<String>, error: &ComponentError) -> Self {
        Self::bad(subject, error.to_string())
    }
}

impl Store {
    /// Looks at each component, at Go and at the cache, comparing the checksum of every cached file.
    pub async fn diagnose(&self, versions: &Versions) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut missing: Vec<Want> = Vec::new();
        for component in Component::ALL {
            self.look_at(component, versions.of(component), &mut findings, &mut missing);
        }
        let writable = self.cache.writable();
        let go = self.go_for(&missing).await;
        let building = findings.iter_mut().filter(|finding| finding.state == State::Note);
        if let Err(error) = &go {
            building.for_each(|finding| {
                finding.state = State::Bad;
                finding.detail = "not in the cache, and there is no Go that could build it".to_owned();
                finding.remedy = Some(match error {
                    ComponentError::GoMissing { .. } => "see Go below".to_owned(),
                    _ => "see Go below, or give paths".to_owned(),
                });
            });
        } else if writable.is_err() {
            building.for_each(|finding| {
                finding.state = State::Bad;
                finding.detail = "not in the cache, and the cache cannot be written".to_owned();
                finding.remedy = Some("see the cache below".to_owned());
            });
        }
        findings.push(toolchain(go, missing.is_empty()));
        let space = free_space(&self.cache.root);
        let free = space.map_or_else(|| "free space unknown".to_owned(), |space| format!("{} free", bytes(space)));
        findings.push(match writable {
            Ok(()) if missing.is_empty() || space.is_none_or(|space| space >= NEEDED_SPACE) => {
                Finding::good("cache", format!("{}, {free}", self.cache.root.display()))
            }
            Ok(()) => Finding::note("cache", format!("{}, {free}", self.cache.root.display())).remedy(format!(
                "building everything from nothing takes about {}; CATNAP_CACHE, GOCACHE and GOMODCACHE move it to another disk",
                bytes(NEEDED_SPACE)
            )),
            Err(error) if missing.is_empty() => {
                Finding::note("cache", format!("{} is complete but cannot be written: {error}", self.cache.root.display()))
            }
            Err(error) => Finding::error("cache", &error),
        });
        findings.push(machine(Machine::look()));
        findings
    }

    fn look_at(&self, component: Component, version: &str, findings: &mut Vec<Finding>, missing: &mut Vec<Want>) {
        let subject = format!("{component} {version}");
        let mut all_given = true;
        for program in component.programs() {
            match self.options.given(*program) {
                Ok(Some(path)) => findings.push(Finding::good(program.name(), format!("given: {}", path.display()))),
                Ok(None) => all_given &= *program == Program::Kubectl,
                Err(error) => findings.push(Finding::error(program.name(), &error)),
            }
        }
        let crds = match self.options.given_crds() {
            Ok(crds) => crds,
            Err(error) if component == Component::KarpenterAzure => {
                findings.push(Finding::error("CRDs", &error));
                return;
            }
            Err(_) => None,
        };
        if all_given && (component != Component::KarpenterAzure || crds.is_some()) {
            return;
        }
        let pin = match Pin::find(component, version) {
            Ok(pin) => pin,
            Err(error) => {
                findings.push(Finding::error(subject, &error));
                return;
            }
        };
        let part = if all_given { Part::Crds } else { Part::Everything };
        let found = match self.cache.find(&pin, Part::Everything) {
            Ok(None) if part == Part::Crds => self.cache.find(&pin, part),
            found => found,
        };
        findings.push(match found {
            Ok(Some(entry)) => match entry.verify(Look::Thorough) {
                Ok(()) => Finding::good(
                    subject,
                    format!("in the cache, {}, built with {}", bytes(entry.size()), entry.manifest.made_by),
                ),
                Err(error) => Finding::error(subject, &error),
            },
            Ok(None) => {
                missing.push((pin, part));
                let what = if part == Part::Crds { "its CRDs are" } else { "it is" };
                Finding::note(
                    subject,
                    format!("not in the cache: {what} built when first needed, with the Go module proxy"),
                )
                .remedy("catnap components fetch")
            }
            Err(error) => Finding::error(subject, &error),
        });
    }
}

fn toolchain(go: Result<Go, ComponentError>, needless: bool) -> Finding {
    match go {
        Ok(go) => Finding::good(
            "Go",
            format!(
                "{} at {}, GOPROXY {}, GOTOOLCHAIN {}",
                go.version(),
                go.path.display(),
                go.environment.goproxy,
                go.environment.gotoolchain
            ),
        ),
        Err(ComponentError::GoMissing { .. }) if needless => {
            Finding::note("Go", "none on PATH; nothing needs to be built")
        }
        Err(error) if needless => Finding::note("Go", format!("{error}; nothing needs to be built")),
        Err(error) => Finding::error("Go", &error),
    }
}

fn machine(machine: Machine) -> Finding {
    let Parallelism { builds, .. } = machine.share(Component::ALL.len());
    let memory = machine
        .memory
        .map_or_else(|| "memory unknown".to_owned(), |memory| format!("{} of memory free", bytes(memory)));
    let detail = format!("{} processors, {memory}; builds {builds} at a time", machine.cores);
    // Four control-plane processes, the provisioner and a linker were seen to fit in this.
    if machine.memory.is_some_and(|memory| memory < 2 << 30) {
        Finding::note("machine", detail).remedy("a lab takes about 1 GiB, a build about 3 GiB: close other programs")
    } else {
        Finding::good("machine", detail)
    }
}
