//! Builds a component with the Go toolchain from its pinned sources.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use serde::Deserialize;

use super::cache::{Cache, Part};
use super::complaint::{self, Complaint};
use super::go::{Go, Heard, Outcome};
use super::obtain::{Workplace, disk_full, unwritable};
use super::pin::{BUILD_FLAGS, Pin};
use super::progress::time_left;
use super::{Component, ComponentError, Stage};

/// Where the provisioner's module keeps its CRDs.
const CRDS: &str = "pkg/apis/crds";

/// Fills the workplace's `out`. What Go downloads and compiles stays in its own caches, so a build that was cut off
/// goes on from there.
pub(super) async fn build(
    cache: &Cache,
    go: &Go,
    pin: &Pin,
    part: Part,
    packages: usize,
    workplace: &mut Workplace,
    report: &(dyn Fn(Stage) + Send + Sync),
) -> Result<(), ComponentError> {
    let mut job = Job { cache, go, pin, workplace, report };
    if part == Part::Everything {
        let total = job.count().await?;
        job.compile(packages, total).await?;
    }
    if pin.component == Component::KarpenterAzure {
        job.copy_crds().await?;
    }
    Ok(())
}

struct Job<'a> {
    cache: &'a Cache,
    go: &'a Go,
    pin: &'a Pin,
    workplace: &'a mut Workplace,
    report: &'a (dyn Fn(Stage) + Send + Sync),
}

impl Job<'_> {
    /// Downloads the sources and counts the packages that are not in Go's build cache.
    async fn count(&mut self) -> Result<usize, ComponentError> {
        let mut arguments = vec!["list".to_owned()];
        arguments.extend(self.flags());
        // Go calls main packages stale even when all that is left to do is to link them.
        let template = r#"{{if and .Stale (ne .Name "main")}}{{.ImportPath}}{{end}}"#;
        arguments.extend(["-deps", "-f", template].map(str::to_owned));
        arguments.extend(self.packages());
        let outcome = self.download(&arguments).await?;
        Ok(outcome.stdout.lines().filter(|line| !line.trim().is_empty()).count())
    }

    async fn compile(&mut self, at_a_time: usize, total: usize) -> Result<(), ComponentError> {
        let programs = self.pin.component.programs();
        // With a folder as its output, Go names programs after their packages, which is right only for Kubernetes.
        let output = match programs {
            [single] => self.workplace.out.join(single.name()),
            _ => self.workplace.out.join(""),
        };
        let mut arguments = vec!["build".to_owned(), "-v".to_owned(), format!("-p={at_a_time}"), "-o".to_owned()];
        arguments.push(output.to_string_lossy().into_owned());
        arguments.extend(self.flags());
        arguments.extend(self.packages());
        let (begun, report) = (Instant::now(), self.report);
        let mut done = 0;
        self.run(&arguments, |heard| {
            if let Heard::Line(line) = heard {
                if !is_package(line) {
                    return;
                }
                done += 1;
            }
            let total = total.max(done);
            report(if done == total {
                Stage::Linking
            } else {
                Stage::Compiling { done, total, left: time_left(done, total, begun.elapsed()) }
            });
        })
        .await?;
        for program in programs {
            let path = self.workplace.out.join(program.name());
            if !path.is_file() {
                return Err(self.failed(&format!("go build made no {}", path.display())));
            }
        }
        Ok(())
    }

    async fn copy_crds(&mut self) -> Result<(), ComponentError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Downloaded {
            dir: PathBuf,
        }
        let arguments = ["mod", "download", "-json", self.pin.component.module()].map(str::to_owned);
        let outcome = self.download(&arguments).await?;
        let downloaded: Downloaded = serde_json::from_str(&outcome.stdout)
            .map_err(|error| self.failed(&format!("go mod download -json answered something else: {error}")))?;
        let from = downloaded.dir.join(CRDS);
        let copied = (|| {
            let to = self.workplace.out.join("crds");
            std::fs::create_dir(&to)?;
            let mut copied = 0;
            for item in std::fs::read_dir(&from)? {
                let path = item?.path();
                if let (Some("yaml"), Some(name)) = (path.extension().and_then(|text| text.to_str()), path.file_name())
                {
                    // Written anew: in Go's module cache files are read-only, and a copy would be too.
                    std::fs::write(to.join(name), std::fs::read(&path)?)?;
                    copied += 1;
                }
            }
            Ok::<_, io::Error>(copied)
        })();
        match copied {
            Ok(0) => Err(self.failed(&format!("no CRDs in {}", from.display()))),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.failed(&format!("no CRDs in {}: {error}", from.display())))
            }
            Err(error) => Err(unwritable(self.cache, self.go, self.pin, error)),
        }
    }

    /// Runs a command that may download modules first.
    async fn download(&mut self, arguments: &[String]) -> Result<Outcome, ComponentError> {
        let (report, of) = (self.report, self.pin.modules());
        let mut modules = 0;
        self.run(arguments, |heard| {
            modules += usize::from(matches!(heard, Heard::Line(line) if line.starts_with("go: downloading ")));
            report(Stage::Downloading { modules, of: of.max(modules) });
        })
        .await
    }

    async fn run(&mut self, arguments: &[String], hear: impl FnMut(Heard<'_>)) -> Result<Outcome, ComponentError> {
        let Workplace { scratch, leash, log, .. } = &mut *self.workplace;
        let outcome = self
            .go
            .run(leash, scratch, arguments, log, hear)
            .await
            .map_err(|error| unwritable(self.cache, self.go, self.pin, error))?;
        if outcome.status.success() { Ok(outcome) } else { Err(self.explain(&outcome)) }
    }

    fn flags(&self) -> Vec<String> {
        let mut flags: Vec<_> = BUILD_FLAGS.map(str::to_owned).into();
        flags.push(format!("-ldflags={}", self.pin.link_flags()));
        flags
    }

    fn packages(&self) -> impl Iterator<Item = String> + use<> {
        self.pin.component.programs().iter().map(|program| program.package().to_owned())
    }

    fn explain(&self, outcome: &Outcome) -> ComponentError {
        let (component, version) = (self.pin.component, self.pin.version.to_owned());
        let proxy = self.go.environment.goproxy.clone();
        // `go mod download -json` puts its complaint into the JSON.
        let said =
            format!("{}\n{}", outcome.stderr, if outcome.stderr.trim().is_empty() { &outcome.stdout } else { "" });
        match complaint::read(&said) {
            Complaint::Checksum { module, detail } => {
                ComponentError::Checksum { component, version, module, detail, proxy }
            }
            Complaint::Network { module, detail } => {
                let instead = format!("GOPROXY is {proxy} now. {}", self.cache.usable());
                ComponentError::Network { component, version, module, detail, instead }
            }
            Complaint::DiskFull { detail } => disk_full(self.cache, self.go, self.pin, detail),
            Complaint::Killed { detail } => ComponentError::OutOfMemory { component, version, detail },
            Complaint::TooOld { detail } => ComponentError::GoTooOld {
                wanted: self.pin.title(),
                found: self.go.title(),
                needed: self.pin.minimum_go().to_owned(),
                detail,
            },
            Complaint::Unwritable { detail } => ComponentError::GoCacheUnwritable {
                component,
                version,
                detail,
                build_cache: self.go.environment.gocache.clone(),
                module_cache: self.go.environment.gomodcache.clone(),
            },
            Complaint::Other => {
                self.failed(if said.trim().is_empty() { "(Go printed nothing)" } else { said.as_str() })
            }
        }
    }

    fn failed(&self, output: &str) -> ComponentError {
        ComponentError::BuildFailed {
            component: self.pin.component,
            version: self.pin.version.to_owned(),
            log: self.workplace.log_path.clone(),
            tail: tail(output),
        }
    }
}

/// With `-v`, Go prints the path of each package as it begins to compile it, between whatever else it has to say.
fn is_package(line: &str) -> bool {
    !line.is_empty() && !line.contains(char::is_whitespace) && !line.starts_with('#')
}

/// The last lines that are not mere names of packages.
fn tail(output: &str) -> String {
    let lines: Vec<_> = output.lines().filter(|line| !line.trim().is_empty() && !is_package(line)).collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages_are_told_from_complaints() {
        assert!(is_package("k8s.io/api/core/v1"));
        assert!(is_package("internal/goarch"));
        assert!(!is_package("# k8s.io/api/core/v1"));
        assert!(!is_package("go: downloading k8s.io/api v0.34.4"));
        assert!(!is_package(""));
    }

    #[test]
    fn the_end_of_a_failed_build_is_its_complaint() {
        assert_eq!(tail("a/b\nc/d\n# c/d\nx.go:1:2: undefined: y\ne/f\n"), "# c/d\nx.go:1:2: undefined: y");
    }
}
