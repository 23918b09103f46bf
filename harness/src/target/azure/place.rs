//! Which Azure, and as whom: what the environment says.

use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use crate::azure::{ClientSecret, ClientSecretCredential};
use crate::target::{AzureAccess, Names, StartError};

/// Azure Resource Manager of the public cloud.
const PUBLIC: &str = "management.azure.com";

/// Region of a scenario's resources unless `CATNAP_LOCATION` names another.
const LOCATION: &str = "eastus";

/// How the Azure is reached that the environment names:
///
/// | variable | what |
/// |---|---|
/// | `CATNAP_ARM_ENDPOINT` | URL of Azure Resource Manager |
/// | `CATNAP_ARM_CA` | file with the certificates to trust there (PEM); those of the system without it |
/// | `CATNAP_LOCATION` | ARM region, `eastus` without it |
/// | `AZURE_SUBSCRIPTION_ID`, `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` | as Azure's SDKs read them |
/// | `AZURE_AUTHORITY_HOST` | where to sign in; the endpoint itself without it, as fake-arm has it |
///
/// # Errors
/// A sentence that names the variable that is missing or makes no sense.
pub(super) fn access(variable: impl Fn(&str) -> Option<String>, names: Names) -> Result<AzureAccess, StartError> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let needed = |name: &str| {
        variable(name).ok_or_else(|| {
            StartError::Settings(format!(
                "{name} is not set: the target azure needs CATNAP_ARM_ENDPOINT, AZURE_SUBSCRIPTION_ID, AZURE_TENANT_ID, \
                 AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; `catnap up` prints them for a stand-in of its own"
            ))
        })
    };
    let endpoint = needed("CATNAP_ARM_ENDPOINT")?;
    let endpoint: Url = endpoint
        .parse()
        .map_err(|error| StartError::Settings(format!("CATNAP_ARM_ENDPOINT={endpoint} is no URL: {error}")))?;
    if endpoint.host_str() == Some(PUBLIC) {
        return Err(StartError::Settings(format!(
            "CATNAP_ARM_ENDPOINT={endpoint} is real Azure, which this version of catnap does not drive yet: nothing would \
             sweep up what a run that is killed has left; name a stand-in, such as `catnap up` serves"
        )));
    }
    let ca_file = variable("CATNAP_ARM_CA").map(PathBuf::from);
    let ca = ca_file.as_ref().map(|path| {
        std::fs::read_to_string(path)
            .map_err(|error| StartError::Settings(format!("CATNAP_ARM_CA={} cannot be read: {error}", path.display())))
    });
    let ca = ca.transpose()?;
    let who = ClientSecret {
        authority: variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| endpoint.to_string()),
        tenant: needed("AZURE_TENANT_ID")?,
        client: needed("AZURE_CLIENT_ID")?,
        secret: needed("AZURE_CLIENT_SECRET")?,
    };
    let credential = ClientSecretCredential::new(who, &endpoint, ca.as_deref());
    let credential = credential.map_err(|error| {
        StartError::Azure(format!("no client of {endpoint}: {}", crate::causes::error_chain(&error)))
    })?;
    Ok(AzureAccess {
        endpoint,
        ca,
        ca_file,
        credential: Arc::new(credential),
        subscription: needed("AZURE_SUBSCRIPTION_ID")?,
        location: variable("CATNAP_LOCATION").unwrap_or_else(|| LOCATION.to_owned()),
        names,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(variables: &[(&str, &str)]) -> String {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        access(value, Names::documented()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_missing_is_named_and_real_azure_is_not_touched() {
        assert!(refused(&[]).starts_with("CATNAP_ARM_ENDPOINT is not set"));
        let endpoint = ("CATNAP_ARM_ENDPOINT", "https://127.0.0.1:1");
        assert!(refused(&[endpoint]).starts_with("AZURE_TENANT_ID is not set"));
        assert!(refused(&[("CATNAP_ARM_ENDPOINT", "nowhere")]).contains("is no URL"));
        assert!(refused(&[endpoint, ("CATNAP_ARM_CA", "/does/not/exist")]).contains("cannot be read"));
        let real = refused(&[("CATNAP_ARM_ENDPOINT", "https://management.azure.com")]);
        assert!(real.contains("does not drive yet"), "{real}");
    }
}
