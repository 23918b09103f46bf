//! The statements that scenarios are counted against.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Who has to see to what a claim says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Enforcer {
    /// Azure Resource Manager or the AKS resource provider.
    Arm,
    /// The provisioner.
    Prov,
    /// Kubernetes, the schemas of the custom resources included.
    K8s,
    /// The network itself: who reaches whom.
    Plane,
    /// Nobody: it is documentation only, and counted apart.
    Doc,
}

impl fmt::Display for Enforcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arm => "ARM",
            Self::Prov => "PROV",
            Self::K8s => "K8S",
            Self::Plane => "PLANE",
            Self::Doc => "DOC",
        })
    }
}

/// One testable statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// Its id, `VNET-03`: never renumbered, never used again.
    pub id: String,
    /// The suite that it belongs to.
    pub suite: String,
    /// Document and section that say it; `+` where none does and a user would expect it.
    pub source: String,
    /// Who has to see to it.
    pub by: Vec<Enforcer>,
    /// What it says.
    pub claim: String,
}

impl Claim {
    /// Whether there is anything to observe.
    #[must_use]
    pub fn is_testable(&self) -> bool {
        self.by.iter().any(|by| *by != Enforcer::Doc)
    }
}

/// The list of claims and of the reasons why some have no scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// In the order of the list.
    pub claims: Vec<Claim>,
    /// By id: why it has no scenario.
    pub reasons: BTreeMap<String, String>,
}

/// The lists cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{file} cannot be read: {why}")]
pub struct ClaimsError {
    file: &'static str,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(rename = "documents")]
    _documents: BTreeMap<String, String>,
    /// By suite, then by id. Both keep the list's order.
    claims: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    source: String,
    by: Vec<Enforcer>,
    claim: String,
}

impl Claims {
    /// The lists of this build.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn of_this_build() -> Result<Self, ClaimsError> {
        Self::parse(include_str!("../../../suites/claims.yaml"), include_str!("../../../suites/uncovered.yaml"))
    }

    fn parse(claims: &str, reasons: &str) -> Result<Self, ClaimsError> {
        let failed = |file| move |why: String| ClaimsError { file, why };
        let of_claims = failed("suites/claims.yaml");
        let listed: Listed = serde_saphyr::from_str(claims).map_err(|error| of_claims(error.to_string()))?;
        let mut claims = Vec::new();
        for (suite, entries) in listed.claims {
            let entries: serde_json::Map<String, serde_json::Value> =
                serde_json::from_value(entries).map_err(|error| of_claims(format!("{suite}: {error}")))?;
            for (id, entry) in entries {
                if !is_id(&id) {
                    return Err(of_claims(format!("{id} is no id of a claim, as VNET-03 is")));
                }
                let Entry { source, by, claim } =
                    serde_json::from_value(entry).map_err(|error| of_claims(format!("{id}: {error}")))?;
                claims.push(Claim { id, suite: suite.clone(), source, by, claim });
            }
        }
        let reasons =
            serde_saphyr::from_str(reasons).map_err(|error| failed("suites/uncovered.yaml")(error.to_string()))?;
        Ok(Self { claims, reasons })
    }

    /// A claim by id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.id == id)
    }
}

/// The claims that a scenario names: what stands before the first colon of its doc comment, where that is nothing but
/// ids (`VNET-03, VNET-09: a node class …`).
#[must_use]
pub fn claims_of(doc: &str) -> Vec<&str> {
    let Some((head, _)) = doc.split_once(':') else { return Vec::new() };
    // The list of claims marks with a plus what users would add to the documents; it is no part of the id.
    let ids: Vec<&str> = head.split(',').map(|id| id.trim().trim_end_matches('+')).collect();
    if ids.iter().all(|id| is_id(id)) { ids } else { Vec::new() }
}

fn is_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(prefix, number)| {
        prefix.len() >= 2
            && prefix.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
            && number.len() >= 2
            && number.chars().all(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_before_the_first_colon_or_nowhere() {
        assert_eq!(claims_of("VNET-03, K8S-10+: a node class"), ["VNET-03", "K8S-10"]);
        assert!(claims_of("A rule: VNET-03 says so").is_empty());
        assert!(claims_of("VNET-03 and more: a rule").is_empty());
        assert!(claims_of("VNET-03").is_empty());
    }

    #[test]
    fn the_lists_of_this_build_can_be_read() {
        let claims = Claims::of_this_build().unwrap();
        assert!(claims.claims.len() >= 400, "{}", claims.claims.len());
        let third = claims.get("VNET-03").unwrap();
        assert_eq!((third.suite.as_str(), third.by.as_slice()), ("custom_vnet", [Enforcer::Prov].as_slice()));
    }

    #[test]
    fn what_is_wrong_with_a_list_is_said() {
        let parse = |claims: &str| Claims::parse(claims, "{}").unwrap_err().to_string();
        assert!(
            parse("documents: {}\nclaims: { s: { V-1: { source: a, by: [ARM], claim: c } } }").contains("V-1 is no id")
        );
        assert!(parse("documents: {}\nclaims: { s: { VV-01: { source: a, by: [ME], claim: c } } }").contains("VV-01"));
    }
}
