//! The real parts that a command uses, and how they are made ready before the first lab needs them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use miette::{Result, miette};

use crate::clock::ClockKind;
use crate::report::Facts;
use crate::runner::is_executable;
use crate::settings::{ClusterSource, Settings};
use components::{ComponentError, FetchDisplay, Store, StoreOptions, Versions, number};

/// Which real parts to use.
#[derive(Debug, Clone, Default, Args)]
pub struct PartsArgs {
    /// A provisioner of your own: the path of its executable
    #[arg(long, value_name = "PATH", env = "CATNAP_PROVISIONER", hide_env_values = true, help_heading = "Real parts")]
    pub provisioner: Option<PathBuf>,
    /// The version of the provisioner, Karpenter's Azure provider
    #[arg(
        long,
        help = with_default("The version of the provisioner, Karpenter's Azure provider", &Versions::default().provisioner),
        value_name = "VERSION",
        env = "CATNAP_PROVISIONER_VERSION",
        hide_env_values = true,
        help_heading = "Real parts"
    )]
    pub provisioner_version: Option<String>,
    /// The version of Kubernetes
    #[arg(
        long,
        help = with_default("The version of Kubernetes", &Versions::default().kubernetes),
        value_name = "VERSION",
        env = "CATNAP_KUBERNETES_VERSION",
        hide_env_values = true,
        help_heading = "Real parts"
    )]
    pub kubernetes: Option<String>,
}

/// Which real parts to run scenarios with: each version of Kubernetes with each version of the provisioner.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct MatrixArgs {
    /// A provisioner of your own: the path of its executable
    #[arg(long, value_name = "PATH", env = "CATNAP_PROVISIONER", hide_env_values = true, help_heading = "Real parts")]
    provisioner: Option<PathBuf>,
    /// The version of the provisioner, Karpenter's Azure provider; may be given several times
    #[arg(
        long,
        help = with_default("The version of the provisioner, Karpenter's Azure provider; may be given several times", &Versions::default().provisioner),
        value_name = "VERSION",
        env = "CATNAP_PROVISIONER_VERSION",
        value_delimiter = ',',
        hide_env_values = true,
        help_heading = "Real parts"
    )]
    provisioner_version: Vec<String>,
    /// The version of Kubernetes; may be given several times
    #[arg(
        long,
        help = with_default("The version of Kubernetes; may be given several times", &Versions::default().kubernetes),
        value_name = "VERSION",
        env = "CATNAP_KUBERNETES_VERSION",
        value_delimiter = ',',
        hide_env_values = true,
        help_heading = "Real parts"
    )]
    kubernetes: Vec<String>,
}

fn with_default(what: &str, version: &str) -> String {
    format!("{what} [default: {version}]")
}

impl MatrixArgs {
    /// Every combination, those of one version of Kubernetes together, each once.
    ///
    /// # Errors
    /// As [`PartsArgs::checked`].
    pub(super) fn combinations(&self) -> Result<Vec<PartsArgs>> {
        // None is the default version.
        let choices = |given: &[String]| -> Vec<Option<String>> {
            let mut seen = BTreeSet::new();
            let once = given.iter().filter(|version| seen.insert(number(version)));
            let given: Vec<_> = once.cloned().map(Some).collect();
            if given.is_empty() { vec![None] } else { given }
        };
        let mut all = Vec::new();
        for kubernetes in choices(&self.kubernetes) {
            for provisioner_version in choices(&self.provisioner_version) {
                let provisioner = self.provisioner.clone();
                let parts = PartsArgs { provisioner, provisioner_version, kubernetes: kubernetes.clone() };
                all.push(parts.checked()?);
            }
        }
        Ok(all)
    }
}

impl PartsArgs {
    /// What tells this combination from others, also as the name of a folder.
    #[must_use]
    pub fn label(&self) -> String {
        let Versions { kubernetes, provisioner, .. } = self.versions();
        format!("kubernetes-{kubernetes}-karpenter-azure-{provisioner}")
    }

    /// The same with an absolute path of the provisioner, which is made sure to be something that can be started.
    ///
    /// # Errors
    /// When the provisioner's path leads to nothing of the kind.
    pub fn checked(mut self) -> Result<Self> {
        if let Some(path) = &self.provisioner {
            let shown = path.display();
            let help = "give the path of a karpenter executable for this machine, such as `go build -o karpenter \
                        ./cmd/controller` makes";
            let metadata = std::fs::metadata(path)
                .map_err(|error| miette!(help = help, "failed to use {shown} as the provisioner: {error}"))?;
            if metadata.is_dir() {
                return Err(miette!(help = help, "failed to use {shown} as the provisioner: it is a folder"));
            }
            if !is_executable(path) {
                let help = format!("if it is one, `chmod +x {shown}`; else {help}");
                return Err(miette!(help = help, "failed to use {shown} as the provisioner: it is not executable"));
            }
            let absolute = std::path::absolute(path)
                .map_err(|error| miette!(help = help, "failed to use {shown} as the provisioner: {error}"))?;
            self.provisioner = Some(absolute);
        }
        Ok(self)
    }

    /// The versions that these choose.
    #[must_use]
    pub fn versions(&self) -> Versions {
        Versions::chosen(self.kubernetes.as_deref(), self.provisioner_version.as_deref())
    }

    /// Settings of a lab that is no scenario's, with these parts.
    ///
    /// # Errors
    /// As [`Settings::from_env`].
    pub fn settings(&self, name: &str) -> std::result::Result<Settings, String> {
        let mut settings = Settings::from_env()?;
        settings.scenario = name.to_owned();
        // People look at it, or at how long it takes.
        settings.clock = ClockKind::Real;
        // It has one cluster, which nobody else is to have.
        settings.clusters = ClusterSource::Fresh;
        settings.versions = self.versions();
        settings.provisioner.clone_from(&self.provisioner);
        Ok(settings)
    }

    /// What reports say of them: versions, or the path of a provisioner of one's own.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let versions = self.versions();
        let mut facts = Facts::default();
        facts.set("kubernetes", versions.kubernetes);
        match &self.provisioner {
            Some(path) => facts.set("karpenter-azure", path.to_string_lossy()),
            None => facts.set("karpenter-azure", versions.provisioner),
        }
        facts
    }

    /// The options that choose these parts again.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let mut option = |name: &str, value: Option<String>| {
            options.extend(value.map(|value| format!("{name} {}", crate::report::quoted(&value))));
        };
        option("--provisioner", self.provisioner.as_ref().map(|path| path.to_string_lossy().into_owned()));
        option("--provisioner-version", self.provisioner_version.clone());
        option("--kubernetes", self.kubernetes.clone());
        options
    }
}

/// Makes the real parts ready, so that each is built once, with progress, before the first lab needs it and not within
/// a scenario.
///
/// # Errors
/// When one cannot be had: what, where, and the remedy.
pub async fn prepare_components(parts: &PartsArgs) -> Result<()> {
    build_components(parts, &FetchDisplay::new()).await
}

/// The same with a display of the caller's.
pub(super) async fn build_components(parts: &PartsArgs, display: &FetchDisplay) -> Result<()> {
    store(parts)?.resolve(&parts.versions(), |progress| display.report(progress)).await.map_err(trouble)?;
    Ok(())
}

/// Whether nothing has to be built for these parts.
///
/// # Errors
/// When one of them is not to be had at all.
pub(super) async fn are_at_hand(parts: &PartsArgs) -> Result<bool> {
    let found = store(parts)?.resolve_at_hand(&parts.versions()).await.map_err(trouble)?;
    Ok(found.is_some())
}

fn store(parts: &PartsArgs) -> Result<Store> {
    let mut options = StoreOptions::from_environment();
    if let Some(path) = &parts.provisioner {
        options = options.provisioner(path);
    }
    Store::open(options).map_err(trouble)
}

/// A component's error as the command tells it.
pub(super) fn trouble(error: ComponentError) -> miette::Report {
    miette!("{}", crate::causes::error_chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_combined_with_each_once() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let matrix = MatrixArgs {
            provisioner: None,
            provisioner_version: texts(&["1.6.3", "1.7.1", "v1.6.3"]),
            kubernetes: texts(&["1.33.13", "1.34.4"]),
        };
        let labels: Vec<_> = matrix.combinations().unwrap().iter().map(PartsArgs::label).collect();
        assert_eq!(
            labels,
            [
                "kubernetes-1.33.13-karpenter-azure-1.6.3",
                "kubernetes-1.33.13-karpenter-azure-1.7.1",
                "kubernetes-1.34.4-karpenter-azure-1.6.3",
                "kubernetes-1.34.4-karpenter-azure-1.7.1",
            ]
        );
        assert_eq!(MatrixArgs::default().combinations().unwrap().len(), 1);
    }

    #[test]
    fn a_version_may_be_the_name_of_its_tag() {
        let version = Some("v1.6.3".to_owned());
        let parts = PartsArgs { provisioner_version: version, ..PartsArgs::default() };
        let facts = parts.facts();
        assert!(facts.iter().eq([("kubernetes", "1.34.4"), ("karpenter-azure", "1.6.3")]));
    }

    fn error(path: &str) -> String {
        let parts = PartsArgs { provisioner: Some(path.into()), ..PartsArgs::default() };
        let report = parts.checked().unwrap_err();
        format!("{report} / {}", report.help().unwrap())
    }

    #[test]
    fn a_provisioner_that_cannot_be_started_is_told_from_one_that_is_not_there() {
        assert!(error("/does/not/exist").contains("No such file"));
        assert!(error("/").contains("it is a folder"));
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        assert!(error(path).contains(&format!("chmod +x {path}")));
        let parts = PartsArgs { provisioner: Some("/bin/sh".into()), ..PartsArgs::default() };
        assert_eq!(parts.checked().unwrap().options(), ["--provisioner /bin/sh"]);
    }
}
