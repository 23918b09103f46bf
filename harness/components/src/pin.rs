//! The pinned sources: a Go module of our own for each version of a component, with nothing in it but requirements and
//! their checksums. They are part of the executable, so that an installed `catnap` needs no checkout.

use include_dir::{Dir, include_dir};
use ring::digest::{Context, SHA256};

use super::versions::{number, numeric};
use super::{Component, ComponentError};

static WRAPPERS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/pinned");

/// What every build is given. Paths and the state of a checkout stay out of the program, so that two machines build
/// the same one; without the debugger's tables it is a third smaller and linked sooner.
pub(super) const BUILD_FLAGS: [&str; 3] = ["-mod=readonly", "-trimpath", "-buildvcs=false"];

/// The system that programs are built for, in Go's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) os: &'static str,
    pub(super) arch: &'static str,
}

impl Platform {
    /// The system this program runs on.
    pub(super) fn here() -> Self {
        Self {
            os: match std::env::consts::OS {
                "macos" => "darwin",
                other => other,
            },
            arch: match std::env::consts::ARCH {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            },
        }
    }
}

/// One version of a component with the checksums of all it is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pin {
    pub(super) component: Component,
    pub(super) version: &'static str,
    pub(super) go_mod: &'static str,
    pub(super) go_sum: &'static str,
}

impl Pin {
    /// Every pinned version of the component, the newest first.
    pub(super) fn all(component: Component) -> Vec<Self> {
        let mut pins: Vec<_> = WRAPPERS
            .get_dir(component.name())
            .into_iter()
            .flat_map(Dir::dirs)
            .filter_map(|folder| {
                let text = |name| WRAPPERS.get_file(folder.path().join(name))?.contents_utf8();
                Some(Self {
                    component,
                    version: folder.path().file_name()?.to_str()?,
                    go_mod: text("go.mod")?,
                    go_sum: text("go.sum")?,
                })
            })
            .collect();
        pins.sort_by_key(|pin| std::cmp::Reverse(numeric(pin.version)));
        pins
    }

    /// The pin of a version, with or without a leading `v`.
    pub(super) fn find(component: Component, version: &str) -> Result<Self, ComponentError> {
        let wanted = number(version);
        let pins = Self::all(component);
        pins.iter().find(|pin| pin.version == wanted).copied().ok_or_else(|| ComponentError::UnknownVersion {
            component,
            version: version.to_owned(),
            known: pins.iter().map(|pin| pin.version).collect::<Vec<_>>().join(", "),
        })
    }

    /// The oldest Go that builds it: `1.24.0`.
    pub(super) fn minimum_go(&self) -> &'static str {
        self.go_mod.lines().find_map(|line| line.strip_prefix("go ")).unwrap_or("1.24").trim()
    }

    /// How many modules it requires; a build downloads at most these.
    pub(super) fn modules(&self) -> usize {
        self.go_mod.lines().filter(|line| line.starts_with('\t') && line.contains(" v") && !line.contains("=>")).count()
            + self.go_mod.lines().filter(|line| line.starts_with("require ") && !line.ends_with('(')).count()
    }

    /// What the linker writes into the programs. The provisioner parses the API server's version; built from a module,
    /// Kubernetes would not know it.
    pub(super) fn link_flags(&self) -> String {
        let mut flags = "-s -w".to_owned();
        let version = self.version;
        match self.component {
            Component::KarpenterAzure => {
                flags.push_str(&format!(" -X sigs.k8s.io/karpenter/pkg/operator.Version={version}"));
            }
            Component::Kubernetes => {
                let numbers = numeric(version);
                let number = |place: usize| numbers.get(place).copied().unwrap_or_default();
                for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
                    for (name, value) in [
                        ("gitVersion", format!("v{version}")),
                        ("gitMajor", number(0).to_string()),
                        ("gitMinor", number(1).to_string()),
                        // A module carries no commit and no date; what is said here must not differ between builds.
                        ("gitCommit", "unknown".to_owned()),
                        ("gitTreeState", "clean".to_owned()),
                        ("buildDate", "1970-01-01T00:00:00Z".to_owned()),
                    ] {
                        flags.push_str(&format!(" -X {package}.{name}={value}"));
                    }
                }
            }
            Component::Etcd | Component::Kwok => {}
        }
        flags
    }

    /// Names the outcome of the build in the cache: another requirement, checksum, flag or system gives another key.
    pub(super) fn key(&self, platform: Platform) -> String {
        let mut digest = Context::new(&SHA256);
        let link = self.link_flags();
        let flags = BUILD_FLAGS.join(" ");
        let programs = self.component.programs().iter().map(|program| program.package()).collect::<Vec<_>>().join(" ");
        for part in [self.go_mod, self.go_sum, &flags, &link, &programs, platform.os, platform.arch, "CGO_ENABLED=0"] {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        }
        digest.finish().as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `kubernetes 1.34.4`.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.component, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Versions;

    const LINUX: Platform = Platform { os: "linux", arch: "amd64" };

    #[test]
    fn the_default_versions_are_pinned_and_the_newest() {
        for component in Component::ALL {
            let default = Versions::default();
            assert_eq!(Pin::all(component)[0].version, default.of(component));
            assert_eq!(Pin::find(component, default.of(component)).unwrap().component, component);
        }
    }

    #[test]
    fn what_is_embedded_is_what_the_repository_holds() {
        // The macro does not notice a new folder; when this fails, touch this file.
        for component in Component::ALL {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pinned").join(component.name());
            let versions = std::fs::read_dir(&folder).unwrap().count();
            assert_eq!(Pin::all(component).len(), versions);
            for pin in Pin::all(component) {
                assert_eq!(std::fs::read_to_string(folder.join(pin.version).join("go.mod")).unwrap(), pin.go_mod);
                assert_eq!(std::fs::read_to_string(folder.join(pin.version).join("go.sum")).unwrap(), pin.go_sum);
            }
        }
    }

    #[test]
    fn every_wrapper_requires_exactly_its_version_and_names_the_programs_as_tools() {
        for pin in Component::ALL.into_iter().flat_map(Pin::all) {
            let requirement = format!("{} v{}", pin.component.module(), pin.version);
            let required =
                |line: &str| line.trim_start_matches("require").trim_end_matches("// indirect").trim() == requirement;
            assert!(pin.go_mod.lines().any(required), "{requirement}");
            assert!(pin.go_sum.contains(&format!("{requirement} h1:")), "{requirement}");
            for program in pin.component.programs() {
                let tool = |line: &str| line.trim_start_matches("tool").trim() == program.package();
                assert!(pin.go_mod.lines().any(tool), "{}: {program}", pin.title());
            }
            assert!(pin.modules() > 50, "{}: {}", pin.title(), pin.modules());
        }
    }

    #[test]
    fn an_unknown_version_is_refused_with_those_there_are() {
        let error = Pin::find(Component::Kubernetes, "1.12.0").unwrap_err().to_string();
        assert!(error.contains("1.12.0") && error.contains("1.34.4, 1.33.13"), "{error}");
        assert_eq!(Pin::find(Component::Kubernetes, "v1.34.4").unwrap().version, "1.34.4");
    }

    #[test]
    fn the_key_changes_with_each_thing_that_changes_the_programs() {
        let pin = Pin::find(Component::Etcd, "3.6.16").unwrap();
        let key = pin.key(LINUX);
        assert_eq!(key.len(), 12);
        assert_eq!(key, pin.key(LINUX));
        assert_ne!(key, pin.key(Platform { arch: "arm64", ..LINUX }));
        assert_ne!(key, Pin { go_sum: "", ..pin }.key(LINUX));
        assert_ne!(key, Pin { go_mod: "", ..pin }.key(LINUX));
        assert_ne!(Pin { version: "1.0.0", component: Component::Kubernetes, ..pin }.key(LINUX), key);
    }

    #[test]
    fn kubernetes_is_told_its_version() {
        let flags = Pin::find(Component::Kubernetes, "1.33.13").unwrap().link_flags();
        assert!(flags.contains("-X k8s.io/component-base/version.gitVersion=v1.33.13 "), "{flags}");
        assert!(flags.contains("-X k8s.io/component-base/version.gitMinor=33 "), "{flags}");
    }
}
