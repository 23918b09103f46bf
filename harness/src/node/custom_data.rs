//! What a machine finds in its custom data: the script that the provisioner wrote for it, read without running it.
//!
//! The provisioner's template (`imagefamily/bootstrap/cse_cmd.sh.gtpl`) sets shell variables line by line, `KEY=VALUE`
//! or `KEY="VALUE"`, and then hands over to scripts of the node image. Those scripts read a handful of the variables;
//! these are kept here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The variables that decide which node a machine becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomData {
    /// `API_SERVER_NAME`: host name of the API server, without port.
    pub api_server_name: String,
    /// `TLS_BOOTSTRAP_TOKEN`, `<id>.<secret>`.
    pub bootstrap_token: String,
    /// `KUBE_CA_CRT`, decoded to PEM.
    pub ca_pem: String,
    /// `KUBERNETES_VERSION`, without `v`.
    pub kubernetes_version: String,
    /// `KUBELET_NODE_LABELS`, as given.
    pub node_labels: String,
    /// `KUBELET_FLAGS`, as given.
    pub kubelet_flags: String,
    /// `NETWORK_PLUGIN`.
    pub network_plugin: String,
    /// `SUBNET`: name of the subnet, not its id.
    pub subnet: String,
    /// `VIRTUAL_NETWORK`: name of the virtual network.
    pub virtual_network: String,
    /// `RESOURCE_GROUP`: the node resource group.
    pub resource_group: String,
    /// Every variable that the script sets.
    pub variables: BTreeMap<String, String>,
}

/// Why custom data cannot make a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustomDataError {
    /// The machine has none.
    #[error("the machine has no custom data, so nothing tells it which cluster to join")]
    Missing,
    /// It does not decode.
    #[error("custom data is not base64: {0}")]
    NotBase64(String),
    /// It decodes to something that is no text.
    #[error("custom data is not UTF-8 text")]
    NotText,
    /// It is a text, but no shell script.
    #[error("custom data does not start with `#!`, so cloud-init would not run it")]
    NotScript,
    /// A variable that the node image's scripts need.
    #[error("custom data sets no {0}")]
    Unset(&'static str),
    /// `KUBE_CA_CRT` is there but not readable.
    #[error("KUBE_CA_CRT in custom data is not base64 of a PEM certificate")]
    UnreadableCa,
}

impl CustomData {
    /// Reads custom data as a machine gets it: base64 of the script.
    ///
    /// # Errors
    /// [`CustomDataError`], which says what the script lacks.
    pub fn decode(base64: Option<&str>) -> Result<Self, CustomDataError> {
        let base64 = base64.map(str::trim).filter(|text| !text.is_empty()).ok_or(CustomDataError::Missing)?;
        let bytes = STANDARD.decode(base64).map_err(|error| CustomDataError::NotBase64(error.to_string()))?;
        Self::parse(&String::from_utf8(bytes).map_err(|_| CustomDataError::NotText)?)
    }

    /// Reads the script itself.
    ///
    /// # Errors
    /// [`CustomDataError`], which says what the script lacks.
    pub fn parse(script: &str) -> Result<Self, CustomDataError> {
        if !script.starts_with("#!") {
            return Err(CustomDataError::NotScript);
        }
        let variables = variables(script);
        let optional = |key: &str| variables.get(key).cloned().unwrap_or_default();
        let required = |key: &'static str| {
            variables.get(key).filter(|value| !value.is_empty()).cloned().ok_or(CustomDataError::Unset(key))
        };
        let ca = required("KUBE_CA_CRT")?;
        let ca_pem = STANDARD
            .decode(&ca)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .filter(|pem| pem.contains("-----BEGIN CERTIFICATE-----"))
            .ok_or(CustomDataError::UnreadableCa)?;
        Ok(Self {
            api_server_name: required("API_SERVER_NAME")?,
            bootstrap_token: required("TLS_BOOTSTRAP_TOKEN")?,
            ca_pem,
            kubernetes_version: required("KUBERNETES_VERSION")?,
            node_labels: optional("KUBELET_NODE_LABELS"),
            kubelet_flags: required("KUBELET_FLAGS")?,
            network_plugin: optional("NETWORK_PLUGIN"),
            subnet: optional("SUBNET"),
            virtual_network: optional("VIRTUAL_NETWORK"),
            resource_group: optional("RESOURCE_GROUP"),
            variables,
        })
    }
}

/// The variables that a script sets on lines of their own; a later line wins, as in a shell. Lines that do more than
/// set one variable to one literal are not understood and left out.
fn variables(script: &str) -> BTreeMap<String, String> {
    script
        .lines()
        .filter_map(|line| {
            let (key, value) = line.trim_end().split_once('=')?;
            let named = key.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
                && key.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
            let value = match value.strip_prefix('"') {
                Some(quoted) => quoted.strip_suffix('"')?,
                None => value,
            };
            let literal = !value.contains(['"', '`']) && !value.contains("$(");
            // Unquoted, a blank would end the value and start a command.
            let whole = line.contains('"') || !value.contains([' ', '\t', ';']);
            (named && literal && whole).then(|| (key.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A script as the provisioner 1.7.1 writes it for a D4s_v5 in an overlay cluster, cut down to the lines that a
    /// reader could trip over.
    pub(in crate::node) fn script(ca_pem: &str, token: &str, server: &str) -> String {
        let ca = STANDARD.encode(ca_pem);
        include_str!("testdata/custom_data.sh")
            .replace("@CA@", &ca)
            .replace("@TOKEN@", token)
            .replace("@SERVER@", server)
    }

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

    fn sample() -> String {
        script(PEM, "abcdef.0123456789abcdef", "lab-dns-0a1b2c3d.hcp.eastus.azmk8s.io")
    }

    #[test]
    fn the_provisioners_script_reads_as_it_was_meant() {
        let data = CustomData::decode(Some(&STANDARD.encode(sample()))).expect("decodes");
        insta::assert_json_snapshot!(serde_json::json!({
            "apiServerName": data.api_server_name,
            "bootstrapToken": data.bootstrap_token,
            "ca": data.ca_pem,
            "version": data.kubernetes_version,
            "labels": data.node_labels,
            "flags": data.kubelet_flags,
            "networkPlugin": data.network_plugin,
            "subnet": data.subnet,
            "virtualNetwork": data.virtual_network,
            "resourceGroup": data.resource_group,
            "variables": data.variables.keys().collect::<Vec<_>>(),
        }));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(CustomData::decode(None), Err(CustomDataError::Missing));
        assert_eq!(CustomData::decode(Some("")), Err(CustomDataError::Missing));
        assert!(matches!(CustomData::decode(Some("%%%")), Err(CustomDataError::NotBase64(_))));
        assert_eq!(CustomData::decode(Some(&STANDARD.encode([0xff, 0xfe]))), Err(CustomDataError::NotText));
        assert_eq!(CustomData::parse("echo"), Err(CustomDataError::NotScript));
        let tokenless = sample().replace("TLS_BOOTSTRAP_TOKEN=\"abcdef.0123456789abcdef\"", "TLS_BOOTSTRAP_TOKEN=\"\"");
        assert_eq!(CustomData::parse(&tokenless), Err(CustomDataError::Unset("TLS_BOOTSTRAP_TOKEN")));
        let garbled = sample().replace(&STANDARD.encode(PEM), "AAAA");
        assert_eq!(CustomData::parse(&garbled), Err(CustomDataError::UnreadableCa));
    }

    #[test]
    fn a_later_assignment_wins_and_commands_are_not_values() {
        let read = variables("#!/bin/bash\nA=1\nA=\"2 3\"\nB=x echo\nC=$(date)\nset -o allexport\nfoo=bar\nD=\n");
        let expected = [("A", "2 3"), ("D", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(read, BTreeMap::from(expected));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC{0,200}") {
            let _ = CustomData::decode(Some(&text));
            let _ = CustomData::parse(&format!("#!{text}"));
        }

        #[test]
        fn any_label_list_survives(labels in "[a-z./=,0-9-]{0,80}") {
            let script = format!("#!/bin/bash\nX=1\nKUBELET_NODE_LABELS=\"{labels}\"\nY=2\n");
            prop_assert_eq!(&variables(&script)["KUBELET_NODE_LABELS"], &labels);
        }
    }
}
