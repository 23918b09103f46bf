//! A token for Azure Resource Manager, out of what people and pipelines have at hand.

use miette::{Result, miette};
use tokio::process::Command;
use url::Url;

use super::check::PUBLIC;
use crate::azure::{ClientSecret, ClientSecretCredential, Credential};

const HELP: &str = "sign in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or \
                    AZURE_ACCESS_TOKEN (`az account get-access-token`)";

/// A token for the Resource Manager at `endpoint`: the one in `AZURE_ACCESS_TOKEN`; that of a client in
/// `AZURE_CLIENT_ID` and its neighbours, as Azure's SDKs read them; else what the Azure CLI is signed in with.
pub(super) async fn token(endpoint: &Url, ca: Option<&str>) -> Result<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(token) = set("AZURE_ACCESS_TOKEN") {
        return Ok(token);
    }
    match (set("AZURE_TENANT_ID"), set("AZURE_CLIENT_ID"), set("AZURE_CLIENT_SECRET")) {
        (Some(tenant), Some(client), Some(secret)) => {
            let authority = authority(endpoint, set("AZURE_AUTHORITY_HOST"));
            let told = |why: String| miette!(help = HELP, "{why}");
            let credential =
                ClientSecretCredential::new(ClientSecret { authority, tenant, client, secret }, endpoint, ca);
            let credential = credential.map_err(|error| told(crate::causes::error_chain(&error)))?;
            credential.token().await.map_err(|error| told(error.to_string()))
        }
        _ => of_azure_cli(endpoint).await,
    }
}

/// Where to sign in: a cloud that is not the public one, and does not say where, does it itself, as fake-arm does.
fn authority(endpoint: &Url, named: Option<String>) -> String {
    let public = Url::parse(PUBLIC).is_ok_and(|public| public.host() == endpoint.host());
    let authority = match named {
        Some(named) if named.contains("://") => named,
        Some(named) => format!("https://{named}"),
        None if public => "https://login.microsoftonline.com".to_owned(),
        None => endpoint.to_string(),
    };
    authority.trim_end_matches('/').to_owned()
}

/// What tokens for `endpoint` are asked for by.
fn audience(endpoint: &Url) -> &str {
    endpoint.as_str().trim_end_matches('/')
}

async fn of_azure_cli(endpoint: &Url) -> Result<String> {
    let mut command = Command::new("az");
    command.args(["account", "get-access-token", "--query", "accessToken", "--output", "tsv", "--resource"]);
    command.arg(audience(endpoint)).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let done = command
        .output()
        .await
        .map_err(|error| miette!(help = HELP, "nobody is signed in, and the Azure CLI cannot be asked: {error}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(miette!(help = HELP, "the Azure CLI gives no token: {}", said.trim()));
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_place_to_sign_in() {
        let (azure, fake) = (Url::parse(PUBLIC).unwrap(), Url::parse("https://127.0.0.1:8443").unwrap());
        assert_eq!(authority(&azure, None), "https://login.microsoftonline.com");
        assert_eq!(authority(&fake, None), "https://127.0.0.1:8443");
        let china = "login.chinacloudapi.cn".to_owned();
        assert_eq!(authority(&fake, Some(china)), "https://login.chinacloudapi.cn");
        assert_eq!(audience(&fake), "https://127.0.0.1:8443");
    }
}
