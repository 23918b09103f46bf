//! What runs that died have left.

use super::cluster::PREFIX;
use super::error::KindError;
use super::tools::{KindTools, NETWORK};

/// What is left of runs that are no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// Clusters, by the names that kind knows them by.
    pub clusters: Vec<String>,
}

/// Looks for clusters of ours whose process is no more.
///
/// # Errors
/// When kind cannot be asked.
pub async fn remains(tools: &KindTools) -> Result<Remains, KindError> {
    let said = tools.kind(["get", "clusters", "--quiet"]).await?;
    let ours = said.lines().map(str::trim).filter(|name| is_orphan(name, is_alive));
    Ok(Remains { clusters: ours.map(str::to_owned).collect() })
}

impl Remains {
    /// Deletes them, and the network that they were in.
    ///
    /// # Errors
    /// The first that cannot be deleted.
    pub async fn remove(&self, tools: &KindTools) -> Result<(), KindError> {
        for cluster in &self.clusters {
            tools.kind(["delete", "cluster", "--name", cluster]).await?;
        }
        // It is in use where clusters of a run that lives are.
        let _ = tools.runtime(["network", "rm", NETWORK]).await;
        Ok(())
    }
}

/// Whether a cluster is one of ours and its process, whose number its name has, is no more.
fn is_orphan(name: &str, is_alive: impl Fn(i32) -> bool) -> bool {
    let process = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('-'))
        .filter(|(_, random)| random.len() == 8 && random.bytes().all(|digit| digit.is_ascii_hexdigit()));
    process.and_then(|(number, _)| number.parse().ok()).is_some_and(|number| !is_alive(number))
}

fn is_alive(process: i32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), None).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clusters_of_ours_whose_process_is_gone_are_left_over() {
        let alive = |process| process == 7;
        assert!(is_orphan("catnap-8-0123abcd", alive));
        for other in
            ["catnap-7-0123abcd", "catnap-8-mine", "catnap-mine-0123abcd", "kind", "catnap-8", "my-catnap-8-0123abcd"]
        {
            assert!(!is_orphan(other, alive), "{other}");
        }
    }
}
