//! What clients need to know, for people and for programs.

use std::path::Path;

use fake_arm::FakeArm;
use serde_json::json;
use uuid::Uuid;

/// What a client logs in with.
pub(crate) struct Client<'a> {
    pub(crate) id: Uuid,
    pub(crate) secret: &'a str,
}

/// One line of JSON.
pub(crate) fn machine(azure: &FakeArm, ca: &Path, client: &Client<'_>) -> String {
    json!({
        "endpoint": azure.endpoint(),
        "identityEndpoint": azure.identity_endpoint(),
        "adminEndpoint": azure.admin_endpoint(),
        "ca": ca,
        "tenant": azure.tenant_id(),
        "subscription": azure.subscription_id(),
        "clientId": client.id,
        "clientSecret": client.secret,
    })
    .to_string()
}

/// A page, with the commands of the Azure CLI.
pub(crate) fn page(azure: &FakeArm, ca: &Path, client: &Client<'_>) -> String {
    let origin = azure.endpoint().as_str().trim_end_matches('/').to_owned();
    let (tenant, ca) = (azure.tenant_id(), ca.display());
    let admin = azure.admin_endpoint().map_or("none", |url| url.as_str());
    format!(
        "fake-arm {version} serves a fake Azure until Ctrl-C

  Resource Manager    {origin}/
  Entra               {origin}/{tenant}
  managed identities  {identity}
  admin API           {admin}
  certificate         {ca}
  tenant              {tenant}
  subscription        {subscription}
  client id           {client_id}
  client secret       {secret}

The Azure CLI, in a shell of its own:

  export AZURE_CONFIG_DIR=$(mktemp -d) REQUESTS_CA_BUNDLE={ca}
  export AZURE_CORE_INSTANCE_DISCOVERY=false AZURE_CORE_COLLECT_TELEMETRY=false
  az cloud register --name FakeArm --endpoint-resource-manager {origin}
  az cloud set --name FakeArm
  az login --service-principal --username {client_id} --password {secret} --tenant {tenant}
",
        version = env!("CARGO_PKG_VERSION"),
        identity = azure.identity_endpoint(),
        subscription = azure.subscription_id(),
        client_id = client.id,
        secret = client.secret,
    )
}
