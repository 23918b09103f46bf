//! A token for Azure Resource Manager, out of what people and pipelines have at hand.

use miette::{Result, miette};
use serde_json::Value;
use tokio::process::Command;
use url::Url;

use super::check::PUBLIC;

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
            of_client(endpoint, ca, &authority, &tenant, &client, &secret).await
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

/// By client secret (OAuth 2.0 client credentials grant, "Microsoft identity platform and the OAuth 2.0 client
/// credentials flow").
async fn of_client(
    endpoint: &Url,
    ca: Option<&str>,
    authority: &str,
    tenant: &str,
    client: &str,
    secret: &str,
) -> Result<String> {
    let told = |error: reqwest::Error| {
        miette!(help = HELP, "failed to sign in at {authority}: {}", crate::causes::told(&error))
    };
    let mut builder = reqwest::Client::builder();
    if let Some(pem) = ca {
        builder = builder.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).map_err(told)?]);
    }
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client)
        .append_pair("client_secret", secret)
        .append_pair("scope", &format!("{}/.default", audience(endpoint)))
        .finish();
    let request = builder
        .build()
        .map_err(told)?
        .post(format!("{authority}/{tenant}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let answer = request.send().await.map_err(told)?.text().await.map_err(told)?;
    let body: Value = serde_json::from_str(&answer).unwrap_or_default();
    body["access_token"].as_str().map(str::to_owned).ok_or_else(|| {
        let why = body["error_description"].as_str().unwrap_or("the answer holds no token");
        miette!(help = HELP, "failed to sign in at {authority} as {client}: {why}")
    })
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
