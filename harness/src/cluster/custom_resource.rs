//! The provisioner's custom resource definitions: from files into the API server.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::Value;

use super::{ClusterError, object};

const PATIENCE: Duration = Duration::from_secs(20);

/// For so long, by the API server's date, a request to create one of a new custom resource's objects sleeps for two seconds
/// before it is looked at, for the sake of other API servers (`serveResource` in `customresource_handler.go` of
/// apiextensions-apiserver). It sleeps in the machine's time, in which a lab that rests meanwhile lives through hours.
pub(super) const YOUNG: Duration = Duration::from_secs(2);

/// Reads the definitions of a folder, in the order of their file names.
pub(super) fn read(folder: &Path) -> Result<Vec<Value>, ClusterError> {
    let failed = |path: &Path, problem: String| ClusterError::CustomResources { path: path.to_owned(), problem };
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, error.to_string()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let mut definitions = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error.to_string()))?;
        let found: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| failed(&path, error.to_string()))?;
        for definition in found {
            match definition["kind"].as_str() {
                Some("CustomResourceDefinition") => definitions.push(definition),
                kind => return Err(failed(&path, format!("it holds a {}", kind.unwrap_or("document without kind")))),
            }
        }
    }
    if definitions.is_empty() {
        return Err(failed(folder, "there are none (*.yaml)".to_owned()));
    }
    Ok(definitions)
}

/// Creates a definition and waits until its resources are served.
pub(super) async fn establish(client: &kube::Client, definition: &Value) -> Result<(), ClusterError> {
    object::create(client, definition).await?;
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let established = await_condition(api, name, conditions::is_crd_established());
    let late = |seen: String| ClusterError::NotInTime {
        what: format!("the custom resource {name} was not established"),
        within: PATIENCE,
        seen,
    };
    match tokio::time::timeout(PATIENCE, established).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(late(error.to_string())),
        Err(_) => Err(late("its condition Established is not True".to_owned())),
    }
}

/// Puts a definition in the place of the one of its name, or creates it where there is none, and waits until its resources
/// are served.
pub(super) async fn replace(client: &kube::Client, definition: &Value) -> Result<(), ClusterError> {
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    let kind = "CustomResourceDefinition";
    let failed =
        |source| ClusterError::Object { kind: kind.to_owned(), name: name.to_owned(), source: Box::new(source) };
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    if let Some(there) = api.get_opt(name).await.map_err(failed)? {
        let mut new: CustomResourceDefinition =
            serde_json::from_value(definition.clone()).map_err(|error| failed(kube::Error::SerdeError(error)))?;
        new.metadata.resource_version = there.metadata.resource_version;
        api.replace(name, &PostParams::default(), &new).await.map_err(failed)?;
    }
    establish(client, definition).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_definitions_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = read(folder.path()).unwrap_err().to_string();
        assert!(text.ends_with("there are none (*.yaml)"), "{text}");
        assert!(text.contains(folder.path().to_str().unwrap()), "{text}");
    }

    #[test]
    fn a_file_that_holds_something_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pod.yaml"), "apiVersion: v1\nkind: Pod\n").unwrap();
        let text = read(folder.path()).unwrap_err().to_string();
        assert!(text.ends_with("pod.yaml: it holds a Pod"), "{text}");
    }
}
